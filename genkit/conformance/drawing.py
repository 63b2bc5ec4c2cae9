"""Checks of the options of drawing: they are valid, move samples, and move nothing else.

An option may show only beside another one (a ramp of guidance where guidance is 1), or only in a model that has learnt
something. So an option that moves nothing by itself is tried again in a trained model, and beside other options.
"""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor

from genkit.conformance.inference import log_likelihood
from genkit.conformance.plugins import require_round_trip
from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import (
    ModelUnderTest,
    copied_state,
    first_of,
    identical,
    shows_nothing,
    training_updates,
    unequal_names,
)
from genkit.errors import OptionsError
from genkit.models.base import GenerativeModel, capabilities
from genkit.models.drawing import draw_with, drawing_options, sampling_of

Values = Mapping[str, Any]


def options_valid(tested: ModelUnderTest) -> None:
    """``Sampling`` has valid defaults, survives JSON, shares no name with ``Options``, and new models draw with it."""
    require_round_trip(tested.cls.Sampling, "Sampling", tested.name)
    if not drawing_options(tested.cls):
        raise CheckSkipped("no options of drawing")
    drawn_with, default = tested.build(tested.data.info()).sampling, tested.cls.Sampling()
    require(drawn_with == default, f"a new model draws with {drawn_with}, not with the defaults of Sampling, {default}")


def moves_samples_alone(tested: ModelUnderTest) -> None:
    """Each option of drawing moves samples, and no weight, loss or log-likelihood; defaults move nothing."""
    values = _values(tested)
    model = tested.prepared()
    untouched = tested.sample(model, 16, 3)
    require(
        identical(untouched, tested.sample(drawn(model, sampling_of(model), tested), 16, 3)),
        "the options of drawing at their defaults move samples",
    )
    _require_weights(tested, model, values)
    _require_losses(tested, values)
    _require_likelihood(tested, model, values)
    for name, others in values.items():
        beside = [{}, *({other: value} for other in values if other != name for value in values[other][:2])]
        moved = _moves(tested, model, name, others, {}) or any(
            _moves(tested, tested.trained, name, others, base) for base in beside
        )
        if not moved and shows_nothing(tested.sample(tested.trained, 16, 3)):
            raise CheckSkipped("unverified: all its samples are black and white alike")
        require(moved, f"option {name} moves no sample, at {', '.join(map(str, others))}")


def drawn(model: GenerativeModel, values: Values, tested: ModelUnderTest) -> GenerativeModel:
    """Return a copy of a model that draws with other values."""
    return draw_with(copy.deepcopy(model), values, tested.name)


def _values(tested: ModelUnderTest) -> dict[str, list[Any]]:
    """Return other valid values of each option of drawing; raises CheckSkipped where there are none."""
    names = drawing_options(tested.cls)
    if not tested.cls.conditional or not tested.data.info().num_classes:
        names = [name for name in names if not name.startswith("guidance")]
    if not names:
        raise CheckSkipped("no options of drawing")
    return {name: found for name in names if (found := list(_others(tested, name)))}


def _others(tested: ModelUnderTest, name: str) -> Iterator[Any]:
    """Yield up to five valid values of an option of drawing that are not its default."""
    cls, model = tested.cls.Sampling, tested.build(tested.data.info())
    default = getattr(model.sampling, name)
    kind = typing.get_type_hints(cls)[name]
    tried: list[Any] = [not default] if isinstance(default, bool) else list(_literals(kind))
    if not tried and isinstance(default, int | float | None):
        base = default or 0
        tried = [2 * base, base / 2, base + 1, base - 1, 0.5, 1, 2, 3, 0, base + 10, 0.9]
        if isinstance(default, int):
            tried = [int(value) for value in tried]
    found: list[Any] = []
    for value in tried:
        if value == default or value in found or len(found) == 5:
            continue
        try:
            draw_with(model, {name: value}, tested.name)
        except OptionsError:
            continue
        found.append(value)
        yield value


def _literals(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return tuple(value for part in typing.get_args(kind) for value in _literals(part))


def _moves(tested: ModelUnderTest, model: GenerativeModel, name: str, values: list[Any], beside: Values) -> bool:
    """Whether an option moves samples, ``beside`` given values of others."""
    before = tested.sample(drawn(model, beside, tested), 16, 3)
    return any(
        not identical(before, tested.sample(drawn(model, {**beside, name: value}, tested), 16, 3)) for value in values
    )


def _require_weights(tested: ModelUnderTest, model: GenerativeModel, values: Mapping[str, list[Any]]) -> None:
    before = copied_state(model)
    for name, others in values.items():
        other = drawn(model, {name: others[0]}, tested)
        tested.sample(other, 4, 3)
        changed = unequal_names(before, copied_state(other))
        require(not changed, f"option {name} changes {first_of(changed)}: options of drawing move samples alone")


def _require_losses(tested: ModelUnderTest, values: Mapping[str, list[Any]]) -> None:
    """Raise CheckFailed if an option moves the loss of a phase in its first step."""
    model = tested.build(tested.data.info())
    for runner, phase, batch, step in training_updates(model, tested.data, steps=1):
        state, defaults = copied_state(model), sampling_of(model)

        def loss(changed: Values, *given: Any, state: dict[str, Tensor] = state, defaults: Values = defaults) -> float:
            runner, phase, batch, step = given
            again = runner.step(step.index, 0, step.images_seen, step.stage, phase.name)  # seeds all generators
            fresh = dataclasses.replace(step, generator=again.generator, logged={})
            draw_with(model, {**defaults, **changed}, tested.name)
            value = float(model.loss(phase.name, batch, fresh).detach())
            model.load_state_dict(state, strict=False)
            draw_with(model, defaults, tested.name)
            return value

        given = runner, phase, batch, step
        before = loss({}, *given)
        if before == loss({}, *given):
            for name, others in values.items():
                require(
                    loss({name: others[0]}, *given) == before,
                    f"option {name} changes the loss of phase {phase.name!r}: options of drawing move samples alone",
                )
        runner.run(phase, batch, step)


def _require_likelihood(tested: ModelUnderTest, model: GenerativeModel, values: Mapping[str, list[Any]]) -> None:
    if "log_likelihood" not in capabilities(tested.cls):
        return
    images = tested.images[:8]
    before = log_likelihood(model, images)
    for name, others in values.items():
        require(
            identical(before, log_likelihood(drawn(model, {name: others[0]}, tested), images)),
            f"option {name} changes log_likelihood: it is the model's own, without guidance or filters",
        )
