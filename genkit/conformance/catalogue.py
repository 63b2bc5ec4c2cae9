"""All checks in order, what each one stands on, and the examination that runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from genkit.conformance import building, inference, labels, likelihoods, phases, plugins, sampling, state
from genkit.conformance.report import Broken, Report, Result, Skip
from genkit.conformance.subject import SHAPES, Subject
from genkit.data.dataset import ImageDataset
from genkit.errors import GenkitError, UnknownName
from genkit.models.base import GenerativeModel
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.seeds import derive
from genkit.training.runs import model_class


@dataclass(frozen=True)
class Check:
    """A promise and the function that looks at it; one of ``needs`` that failed leaves it unrun."""

    name: str
    function: Callable[[Subject], None]
    needs: tuple[str, ...] = ()


_ALL = (
    Check("hooks-light", plugins.hooks_light),
    Check("spec", plugins.spec_sane),
    Check("options", plugins.options_round_trip),
    Check("presets", plugins.presets_valid, ("options",)),
    *(Check(f"build-{shape}", building.builder(shape), ("options",)) for shape in SHAPES),
    Check("phases", building.phases_sound, ("options",)),
    Check("loss", phases.loss_finite, ("phases",)),
    Check("phase-modules", phases.modules_apart, ("phases",)),
    Check("phase-turns", phases.turns_stay_inside, ("loss",)),
    Check("sample-images", sampling.images_sound, ("loss",)),
    Check("sample-seeded", sampling.seeded, ("loss",)),
    Check("sample-state", sampling.state_unchanged, ("loss",)),
    Check("checkpoint", state.checkpoint_round_trip, ("loss",)),
    Check("training-repeats", state.training_repeats, ("checkpoint",)),
    Check("resume", state.resume_exact, ("training-repeats",)),
    Check("reconstruct", inference.reconstruct_sound, ("loss",)),
    Check("log-likelihood", inference.per_example, ("loss",)),
    Check("log-likelihood-batches", inference.batch_size_invariant, ("log-likelihood",)),
    Check("log-likelihood-bound", inference.importance_weighting_climbs, ("log-likelihood-batches",)),
    Check("likelihood-normalised", likelihoods.normalised, ("loss",)),
    Check("bound-recomputed", likelihoods.bound_recomputed, ("log-likelihood-batches", "likelihood-normalised")),
    Check("discriminator-labels", labels.discriminator_prefers_real, ("loss",)),
    Check("generator-labels", labels.generator_seeks_real, ("discriminator-labels",)),
)
CHECKS: Mapping[str, Check] = {check.name: check for check in _ALL}
"""All checks by name, in the order in which they run."""


class Examination:
    """Runs checks of one subject, each once."""

    def __init__(self, model: str | type[GenerativeModel], **how: Any) -> None:
        self.problem = ""
        self._results: dict[str, Result] = {}
        if isinstance(model, str):
            self.name = model
            offer = registry().find(ModelSpec, model)
            try:
                self.subject = Subject(model, model_class(model), offer, **how)
            except GenkitError as error:
                self.problem = str(error)
        else:
            self.name = model.__name__
            self.subject = Subject(model.__name__, model, None, **how)

    def result(self, name: str) -> Result:
        """Return what a check finds, after those that it stands on."""
        if name not in CHECKS:
            raise UnknownName("check", name, CHECKS, f" The checks: {', '.join(CHECKS)}")
        if name not in self._results:
            self._results[name] = self._examine(CHECKS[name])
        return self._results[name]

    def _examine(self, check: Check) -> Result:
        if self.problem:
            first = check.name == next(iter(CHECKS))
            return Result(check.name, "failed" if first else "skipped", self.problem if first else "it can't be loaded")
        broken = self._broken_ground(check)
        if broken:
            return Result(check.name, "skipped", f"waits for {broken}")
        try:
            with torch.random.fork_rng(devices=[]), _one_thread():
                torch.manual_seed(derive(0, "check", check.name))
                check.function(self.subject)
        except Skip as skip:
            return Result(check.name, "skipped", str(skip))
        except Exception as error:
            plain = isinstance(error, Broken | GenkitError)
            reason = " ".join(str(error).split())
            return Result(check.name, "failed", reason if plain else f"{type(error).__name__}: {reason}")
        return Result(check.name, "passed")

    def _broken_ground(self, check: Check) -> str:
        for need in check.needs:
            found = self.result(need)
            if found.status == "failed":
                return need
            deeper = self._broken_ground(CHECKS[need])
            if deeper:
                return deeper
        return ""


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Batches are tiny: more threads gain nothing, and lose much where other processes want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check(
    model: str | type[GenerativeModel],
    *,
    options: Mapping[str, Any] | None = None,
    dataset: ImageDataset | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Examine a model, by name or class, and report on every check; takes well under a minute for a small model.

    ``options`` differ from the default ones; ``dataset`` stands in for the synthetic images, for a model that only
    works for data of its own; ``on_result`` is told each result as it comes. Raises UnknownName for a name that no
    plugin offers; nothing that the model does wrong raises.
    """
    examination = Examination(model, options=dict(options or {}), dataset=dataset)
    results = []
    for name in CHECKS:
        results.append(examination.result(name))
        if on_result is not None:
            on_result(results[-1])
    return Report(examination.name, tuple(results))
