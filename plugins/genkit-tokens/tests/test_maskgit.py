"""maskgit: what is masked, in which order tokens stay, and what is filled in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_tokens import maskgit
from genkit_tokens.maskgit import MaskGIT, MaskGITSampling, masked_share
from genkit_tokens.prefix import Prefix

from genkit.conformance import Result
from genkit.models import Batch, DataInfo, Step, capabilities

Make = Callable[..., Any]
LABELS = torch.tensor([0, 1, 2, 1])


def images(n: int = 4) -> torch.Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def test_the_share_of_masked_tokens_is_that_of_the_paper(make: Make) -> None:
    """Its mean over u is 2 / pi."""
    masked = make(MaskGIT).draw_mask(4000, 50, torch.Generator().manual_seed(0))
    assert masked.sum(1).min() >= 1
    assert masked.float().mean().item() == pytest.approx(2 / math.pi + 0.01, abs=0.015)  # rounded up
    assert masked.float().mean(0).std() < 0.02  # all places alike
    assert [masked_share(u).item() for u in (0.0, 0.5, 1.0)] == pytest.approx([1, 2 / 3, 0], abs=1e-6)


def test_the_loss_is_on_masked_tokens_alone(make: Make) -> None:
    model = make(MaskGIT)
    tokens = model.tokens(images())
    step = Step(0, 0, torch.Generator().manual_seed(3), 1)
    loss = model.token_loss(tokens, Prefix(LABELS), step)
    masked = model.draw_mask(*tokens.shape, torch.Generator().manual_seed(3))
    logits = model.logits_of(torch.where(masked, model.mask, tokens), Prefix(LABELS))
    each = -logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0]
    torch.testing.assert_close(loss, each[masked].mean())


@torch.no_grad()
def test_a_token_sees_those_on_both_sides_and_the_class(make: Make) -> None:
    model = make(MaskGIT)
    tokens = model.tokens(images())
    whole = model.logits_of(tokens, Prefix(LABELS))
    for changed in (0, 15):
        other = tokens.clone()
        other[:, changed] = (other[:, changed] + 1) % 12
        assert ((model.logits_of(other, Prefix(LABELS)) - whole).abs().amax((0, 2)) > 1e-4).all()
    assert (model.logits_of(tokens, Prefix((LABELS + 1) % 3))[:, -1] - whole[:, -1]).abs().max() > 1e-3


def watched(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The tokens at the beginning of every step of drawing."""
    seen: list[torch.Tensor] = []
    original = model.logits_of
    monkeypatch.setattr(
        model, "logits_of", lambda tokens, labels: (seen.append(tokens.clone()), original(tokens, labels))[1]
    )
    return seen


@pytest.mark.parametrize("steps", [1, 4, 16, 40])
def test_chosen_tokens_stay_and_at_least_one_more_is_chosen_at_every_step(
    make: Make, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    model = make(MaskGIT)
    model.sampling = MaskGITSampling(steps=steps)
    seen = watched(model, monkeypatch)
    seen.append(model.draw_tokens(Prefix(LABELS), torch.Generator().manual_seed(0)))
    assert len(seen) == min(steps, 16) + 1
    for before, after in itertools.pairwise(seen):
        known = before != model.mask
        assert after[known].equal(before[known])
        assert ((after != model.mask).sum(1) > known.sum(1)).all()
    assert (seen[-1] != model.mask).all()


def test_noise_moves_the_choice_of_tokens_and_not_the_tokens(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens of a step are drawn from the model, not its likeliest ones, whatever the noise; which stay is not."""
    model, drawn, kept = make(MaskGIT), [], []
    draw = maskgit.draw
    monkeypatch.setattr(maskgit, "draw", lambda *given: (drawn.append(draw(*given)), drawn[-1])[1])
    for noise in (0.0, 100.0):
        model.sampling, drawn[:] = MaskGITSampling(steps=2, noise=noise), drawn[:1]
        seen = watched(model, monkeypatch)
        model.draw_tokens(Prefix(LABELS.repeat(500)), torch.Generator().manual_seed(0))
        kept.append(seen[1] != model.mask)
    assert drawn[0].equal(drawn[-2]) and not kept[0].equal(kept[1])
    start = torch.full((4, 16), model.mask)
    law = model.logits_of(start, Prefix(LABELS))[0].softmax(-1)
    found = torch.stack([(drawn[0][LABELS.repeat(500) == 0] == code).float().mean(0) for code in range(12)], 1)
    assert (found - law).abs().max() < 0.1


def test_without_noise_the_surest_stay(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(MaskGIT)
    model.sampling = MaskGITSampling(steps=4, noise=0.0)
    seen, laws = watched(model, monkeypatch), []
    original = maskgit.probabilities
    monkeypatch.setattr(maskgit, "probabilities", lambda *given: (laws.append(original(*given)), laws[-1])[1])
    drawn: list[torch.Tensor] = []
    draw = maskgit.draw
    monkeypatch.setattr(maskgit, "draw", lambda *given: (drawn.append(draw(*given)), drawn[-1])[1])
    model.draw_tokens(Prefix(LABELS), torch.Generator().manual_seed(0))
    sure = laws[0].gather(-1, drawn[0][..., None])[..., 0]
    kept = seen[1] != model.mask
    for row in range(4):
        assert sure[row][kept[row]].min() >= sure[row][~kept[row]].max()


@pytest.mark.parametrize("hole", [(slice(0, 5), slice(None)), (slice(3, 6), slice(2, 6)), (slice(None), slice(4, 8))])
def test_any_hole_is_completed_and_known_pixels_stay(make: Make, hole: tuple[slice, slice]) -> None:
    model = make(MaskGIT)
    known = torch.ones(4, 1, 8, 8, dtype=torch.bool)
    known[:, :, hole[0], hole[1]] = False
    drawn = [model.complete(images(), known, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    assert torch.equal(drawn[0][known], images()[known])
    assert not torch.equal(drawn[0], drawn[1])


def test_it_has_no_likelihood(make: Make) -> None:
    assert "log_likelihood" not in capabilities(make(MaskGIT)) and "complete" in dir(MaskGIT)


def test_images_without_labels_can_be_trained_on_and_drawn(make: Make) -> None:
    model = make(MaskGIT, DataInfo((3, 8, 8), 17))
    batch = Batch(torch.rand(4, 3, 8, 8))
    assert model.loss("transformer", batch, Step(0, 0, torch.Generator(), 1)).isfinite()
    assert model.sample(3, generator=torch.Generator()).shape == (3, 3, 8, 8)


def test_a_resumed_training_ends_alike(examine: Callable[..., Result]) -> None:
    found = examine(MaskGIT, "resume")
    assert found.status == "passed", found
