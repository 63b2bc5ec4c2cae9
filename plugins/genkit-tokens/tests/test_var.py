"""var: the residual quantiser, what a scale sees, its bound, and guidance that rises."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_tokens import var
from genkit_tokens.prefix import Prefix
from genkit_tokens.scales import ScaleQuantiser, scale_sizes
from genkit_tokens.var import VAR, VARSampling, scale_coordinates
from torch.nn.functional import conv2d, cross_entropy, interpolate

from genkit.conformance import Result
from genkit.models import Batch, DataInfo, Step, capabilities

Make = Callable[..., Any]
LABELS = torch.tensor([0, 1, 2, 1])
SMALL = {"codes": 12, "size": 3}


def images(n: int = 4) -> torch.Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def quantiser(commitment: float = 0.25) -> ScaleQuantiser:
    torch.manual_seed(0)
    return ScaleQuantiser(12, 3, commitment, [(1, 1), (2, 2), (4, 4)])


@pytest.mark.parametrize(
    ("grid", "sizes"),
    [
        ((8, 8), [1, 2, 3, 5, 8]),
        ((7, 7), [1, 2, 3, 4, 7]),
        ((2, 2), [1, 2]),
    ],
)
def test_scales_grow_from_one_token_to_the_grid(grid: tuple[int, int], sizes: list[int]) -> None:
    assert scale_sizes(grid, 5) == [(size, size) for size in sizes]
    assert scale_sizes((8, 6), 5)[-1] == (8, 6)


def test_each_scale_quantises_what_is_left_by_the_definition() -> None:
    made = quantiser().eval()
    vectors = torch.randn(2, 4, 4, 3)
    sums, tokens, _ = made(vectors)
    wanted = vectors.movedim(-1, 1)
    total, expected = torch.zeros_like(wanted), []
    for size, refine in zip(made.sizes, made.refine, strict=True):
        small = torch.nn.functional.adaptive_avg_pool2d(wanted - total, size).movedim(1, -1)
        found = torch.cdist(small.reshape(-1, 3), made.codebook.vectors).argmin(1)
        expected.append(found.view(2, -1))
        h = made.codebook.vectors[found].view(2, *size, 3).movedim(-1, 1)
        h = interpolate(h, (4, 4), mode="bicubic") if size != (4, 4) else h
        total = total + 0.5 * h + 0.5 * conv2d(h, refine.weight, refine.bias, padding=1)
    assert tokens.equal(torch.cat(expected, 1))
    torch.testing.assert_close(sums, total.movedim(1, -1))
    torch.testing.assert_close(made.sums(tokens)[-1], total)


def test_the_weight_of_the_commitment_is_on_the_encoders_term_alone() -> None:
    """And phi, which the straight-through gradient passes by, learns from the other term."""
    pulls, pushes = [], []
    for weight in (0.25, 0.5):
        made = quantiser(weight)
        vectors = torch.randn(2, 4, 4, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
        loss = made(vectors)[2]
        pull, push = torch.autograd.grad(loss, [vectors, made.refine[2].weight])
        pulls.append(pull)
        pushes.append(push)
    torch.testing.assert_close(pulls[1], 2 * pulls[0])
    torch.testing.assert_close(pushes[1], pushes[0])
    assert pushes[0].any()


@torch.no_grad()
def test_a_scale_sees_those_before_it_and_the_class_but_neither_itself_nor_those_after(make: Make) -> None:
    model = make(VAR, **SMALL)
    tokens = model.tokens(images())
    lengths = [rows * columns for rows, columns in model.tokenizer.quantiser.sizes]
    whole = model.logits_of(tokens, Prefix(LABELS))
    starts = list(itertools.accumulate(lengths, initial=0))
    for scale in range(len(lengths)):
        other = tokens.clone()
        other[:, starts[scale] : starts[scale + 1]] = (other[:, starts[scale] : starts[scale + 1]] + 1) % 12
        moved = (model.logits_of(other, Prefix(LABELS)) - whole).abs().amax((0, 2))
        assert (moved[: starts[scale + 1]] < 1e-5).all()
        assert (moved[starts[scale + 1] :] > 1e-4).all()
    assert (model.logits_of(tokens, Prefix((LABELS + 1) % 3))[:, -1] - whole[:, -1]).abs().max() > 1e-3
    assert (model.logits_of(tokens[:1], Prefix(LABELS[:1])) - whole[:1]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("scale", "ramp"), [(0.0, False), (0.0, True), (0.5, False), (1.0, True), (2.0, False), (2.0, True)]
)
@torch.no_grad()
def test_drawn_tokens_have_the_probabilities_of_the_uncached_logits(
    make: Make, monkeypatch: pytest.MonkeyPatch, scale: float, ramp: bool
) -> None:
    model = make(VAR, scale=0.3, **SMALL)
    model.sampling = VARSampling(guidance=scale, guidance_ramp=ramp)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(var, "probabilities", lambda logits, how: (seen.append(logits), logits.softmax(-1))[1])
    tokens = model.draw_tokens(Prefix(LABELS), torch.Generator().manual_seed(0))
    asked, anyway = model.logits_of(tokens, Prefix(LABELS)), model.logits_of(tokens, model.transformer.anything(4))
    sizes = model.tokenizer.quantiser.sizes
    last = len(sizes) - 1
    strengths = torch.cat(
        [torch.full((r * c,), 1 + (scale - 1) * k / last if ramp else scale) for k, (r, c) in enumerate(sizes)]
    )
    expected = anyway + strengths[:, None] * (asked - anyway)
    assert (torch.cat(seen, 1) - expected).abs().max() < 1e-5


def test_images_drawn_without_a_cache_are_the_same(examine: Callable[..., Result]) -> None:
    found = examine(VAR, "sample-uncached", **SMALL)
    assert found.status == "passed", found


def test_the_loss_is_averaged_over_scales(make: Make) -> None:
    model = make(VAR, label_dropout=0.0, **SMALL)
    tokens = model.tokens(images())
    logits = model.logits_of(tokens, Prefix(LABELS))
    each = cross_entropy(logits.mT, tokens, reduction="none")
    lengths = [rows * columns for rows, columns in model.tokenizer.quantiser.sizes]
    expected = torch.stack([part.mean() for part in each.split(lengths, 1)]).mean()
    loss = model.loss("transformer", Batch(images(), LABELS), Step(0, 0, torch.Generator(), 1))
    torch.testing.assert_close(loss, expected)


def test_probabilities_of_all_tiny_images_sum_to_one_at_most(make: Make) -> None:
    model = make(VAR, DataInfo((1, 2, 2), 3, 2, (0.3, 0.7)), **SMALL)
    every = torch.tensor(list(itertools.product((0, 0.5, 1), repeat=4))).view(81, 1, 2, 2)
    assert 0 < model.log_likelihood(every, generator=torch.Generator()).exp().sum().item() <= 1


def test_probabilities_of_all_token_sequences_sum_to_one(make: Make) -> None:
    model = make(VAR, DataInfo((1, 4, 4), 17, 3, (0.2, 0.3, 0.5)), codes=3, size=2)
    every = torch.tensor(list(itertools.product(range(3), repeat=model.tokenizer.length)))
    assert len(every) == 3**5
    with torch.no_grad():
        assert model.log_mixture(every).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_places_of_all_scales_are_centres_on_the_last_grid() -> None:
    places = scale_coordinates([(1, 1), (2, 2), (4, 4)])
    assert places[0].tolist() == [1.5, 1.5]
    assert places[1].tolist() == [0.5, 0.5]
    assert places[5:].tolist() == [[r, c] for r in range(4) for c in range(4)]


def test_it_does_not_complete_images() -> None:
    assert "complete" not in capabilities(VAR) and "log_likelihood" in capabilities(VAR)


def test_a_resumed_training_ends_alike(examine: Callable[..., Result]) -> None:
    found = examine(VAR, "resume", codes=8, size=3)
    assert found.status == "passed", found
