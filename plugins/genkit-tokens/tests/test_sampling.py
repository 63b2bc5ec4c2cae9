"""Guidance, filters and draws, each against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from genkit_tokens.prefix import Prefix
from genkit_tokens.sampling import Guidance, TokenSampling, draw, probabilities

ANY = torch.full((2,), 3)
LABELS = torch.tensor([0, 1])
LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.5, 3.0, 1.0]])


def guided(scale: float) -> torch.Tensor:
    """Guided logits where "any class" has zeros everywhere, and the classes have LOGITS."""
    guidance = Guidance(Prefix(LABELS), 3, scale)
    return guidance.guide(
        torch.stack([LOGITS[label] if label < 3 else torch.zeros(4) for label in guidance.prefix.labels])
    )


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1.5, 3.0])
def test_guidance_goes_from_any_class_to_the_class_and_on(scale: float) -> None:
    torch.testing.assert_close(guided(scale), scale * LOGITS)


def test_both_halves_are_computed_only_where_both_are_needed() -> None:
    assert Guidance(Prefix(LABELS), 3, 0.0).prefix.labels.equal(ANY)
    assert Guidance(Prefix(LABELS), 3, 1.0).prefix.labels.equal(LABELS)
    assert Guidance(Prefix(ANY), 3, 2.0).prefix.labels.equal(ANY)  # data without classes
    assert len(Guidance(Prefix(LABELS), 3, 0.5).prefix) == 4


def test_temperature_comes_before_the_filters() -> None:
    flat = probabilities(LOGITS, TokenSampling(temperature=4.0, top_p=0.5))
    assert (flat[0] > 0).sum() == 2  # at temperature 1 one code would have more than half
    assert (probabilities(LOGITS, TokenSampling(top_p=0.5))[0] > 0).sum() == 1
    torch.testing.assert_close(probabilities(LOGITS, TokenSampling(temperature=2.0)), (LOGITS / 2).softmax(-1))


def test_top_k_comes_before_top_p() -> None:
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    both = probabilities(logits, TokenSampling(top_k=2, top_p=0.5))  # of .4 / .7 and .3 / .7 the first has half already
    torch.testing.assert_close(both, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(probabilities(logits, TokenSampling(top_k=2)), torch.tensor([[4 / 7, 3 / 7, 0, 0]]))
    torch.testing.assert_close(
        probabilities(logits, TokenSampling(top_p=0.65)), torch.tensor([[4 / 7, 3 / 7, 0.0, 0.0]])
    )


@pytest.mark.parametrize(
    "sampling", [TokenSampling(), TokenSampling(top_k=4), TokenSampling(top_k=9), TokenSampling(top_p=1.0)]
)
def test_filters_that_let_all_through_change_nothing(sampling: TokenSampling) -> None:
    torch.testing.assert_close(probabilities(LOGITS, sampling), LOGITS.softmax(-1))


def test_the_likeliest_code_is_always_left() -> None:
    for sampling in (TokenSampling(top_k=1), TokenSampling(top_p=1e-6)):
        assert probabilities(LOGITS, sampling).equal(torch.eye(4)[[0, 2]])


def test_filtering_before_guiding_would_not_be_finite() -> None:
    filtered = torch.where(LOGITS.softmax(-1) > 0.2, LOGITS, -math.inf)
    assert (filtered + 2 * (filtered - filtered)).isnan().any()
    assert probabilities(guided(2.0), TokenSampling(top_k=2)).isfinite().all()


def test_draws_have_the_given_probabilities() -> None:
    expected = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    drawn = draw(expected.expand(40_000, 5), torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=5)
    assert counts[4] == 0
    chi_square = ((counts[:4] - 40_000 * expected[:4]).square() / (40_000 * expected[:4])).sum()
    assert chi_square < 16.3  # the .999 quantile at 3 degrees of freedom
