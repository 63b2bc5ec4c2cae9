"""Checks that a model of texts follows its prompt, and that nothing else of a batch changes what a prompt says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genkit.conformance.conditions import DRAWN, LEARNT, means_of, nearest
from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import LEARNING, ModelUnderTest
from genkit.models.base import GenerativeModel
from genkit.models.conditions import Condition

NEAR = 1e-3
"""How far rounding may move an image."""


def condition_made(tested: ModelUnderTest) -> None:
    """``understand`` makes a row of each prompt, and padding, other prompts of a batch and an empty one do no harm."""
    model = _reading(tested, tested.prepared)
    prompts = _prompts(tested)
    said = _said(model, prompts)
    require(isinstance(said, Condition), f"understand returns {type(said).__name__}, not a genkit.models.Condition")
    require(len(said) == len(prompts), f"understand makes {len(said)} rows of {len(prompts)} prompts")
    require(bool(said.tokens.isfinite().all()), "understand returns values that are not finite")
    with_none = _draw(model, _said(model, [*prompts, ""]), 1)
    require(bool(with_none.isfinite().all()), "an empty prompt draws values that are not finite")
    without = _draw(model, _said(model, [*prompts, prompts[0]]), 1)
    require(_apart(with_none[:-1], without[:-1]) < NEAR, "an empty prompt changes what the others of its batch draw")
    eight = prompts[:1] * 8
    alone, longer = _said(model, eight), _said(model, [*eight, " ".join(prompts * 3)])[:8]
    require(
        _apart(_draw(model, alone, 2), _draw(model, longer, 2)) < NEAR,
        "a longer prompt beside it changes what a prompt draws: mask the padding, in all that reads the tokens",
    )
    tokens = torch.cat([said.tokens, torch.full_like(said.tokens[:, :1], 1e3)], 1)
    padded = Condition(tokens, torch.cat([said.mask, torch.zeros_like(said.mask[:, :1])], 1))
    require(
        _apart(_draw(model, said, 3), _draw(model, padded, 3)) < NEAR,
        "tokens where the mask is False change what is drawn: leave them out",
    )


def prompt_seen(tested: ModelUnderTest) -> None:
    """Samples of a prompt show what it says, and not what another one does."""
    model = _reading(tested, lambda: tested.trained)
    means, texts = means_of(tested), _prompts(tested)
    asked = torch.arange(DRAWN) % len(means)
    drawn = _draw(model, _said(model, [texts[label] for label in asked.tolist()]), 6)
    right = float((nearest(drawn, means) == asked).float().mean())
    other = max(float((nearest(drawn, means) == (asked + shift) % len(means)).float().mean()) for shift in (1, -1))
    if max(right, other) < 1 / len(means) + LEARNT:
        raise CheckSkipped(f"unverified: after {LEARNING} steps its samples do not show their prompt yet")
    require(right > other, f"{other:.0%} of the samples show another prompt's class, and {right:.0%} their own")


def _reading(tested: ModelUnderTest, made: Callable[[], GenerativeModel]) -> GenerativeModel:
    """Return the model; raises CheckSkipped for one that reads no prompts, or data that has none."""
    if getattr(tested.cls, "understand", None) is None:
        raise CheckSkipped("follows no prompts")
    if tested.data.train.captions is None or not tested.data.classes:
        raise CheckSkipped("data without captions of its classes")
    model = made()
    if getattr(model, "understand", None) is None:
        raise CheckSkipped("follows no prompts with these options")
    return model


def _prompts(tested: ModelUnderTest) -> list[str]:
    """Return a caption of each class."""
    train = tested.data.train
    assert train.captions is not None and train.labels is not None
    first = {int(label): texts[0] for label, texts in zip(train.labels[::-1], train.captions[::-1], strict=True)}
    return [first[label] for label in range(len(tested.data.classes))]


def _said(model: GenerativeModel, prompts: list[str]) -> Condition:
    with torch.no_grad():
        said: Condition = model.understand(prompts)  # type: ignore[operator]
    return said


def _draw(model: GenerativeModel, said: Condition, seed: int) -> Tensor:
    with torch.no_grad():
        return model.sample(len(said), generator=torch.Generator().manual_seed(seed), condition=said)


def _apart(one: Tensor, other: Tensor) -> float:
    """Return how far apart two drawings are, but for one image, of which rounding may tip a choice over."""
    return float((one - other).abs().flatten(1).amax(1).sort().values[:-1].max())
