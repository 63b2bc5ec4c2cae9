"""Observation models against their definitions: constants, normalisation, observed images.

Tests base, bernoulli, gaussian and levels of genkit.models.likelihoods.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from genkit.models.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Gaussian,
    Likelihood,
)

OF_LEVELS = [DiscretizedLogistic, DiscretizedLogisticMixture, Categorical]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gaussian_log_prob_has_all_constants() -> None:
    images, params = torch.rand(4, 3, 5, 5), torch.rand(4, 3, 5, 5)
    expected = Normal(params, 0.02**0.5).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(Gaussian(0.02).log_prob(params, images), expected)


def test_gaussian_distortion_is_half_the_sum_of_squares() -> None:
    assert Gaussian(0.02).distortion(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item() == 8.0
    assert Gaussian(0.02).kl_weight == 0.02


@pytest.mark.parametrize(
    "likelihood", [Gaussian(0.05), Bernoulli(), *(kind(17) for kind in OF_LEVELS)], ids=lambda x: type(x).__name__
)
def test_distortion_is_kl_weight_times_negative_log_prob_up_to_a_constant(likelihood: Likelihood) -> None:
    params = torch.randn(2, likelihood.parameters, 4, 4)
    first, second = (likelihood.observe(torch.rand(2, 1, 4, 4), generator(i)) for i in range(2))
    distortion = likelihood.distortion(params, first) - likelihood.distortion(params, second)
    log_prob = likelihood.log_prob(params, first) - likelihood.log_prob(params, second)
    torch.testing.assert_close(distortion, -likelihood.kl_weight * log_prob, rtol=1e-4, atol=1e-4)


def test_bernoulli_probabilities_sum_to_one() -> None:
    params = torch.randn(1, 1, 1, 1)
    both = [Bernoulli().log_prob(params, torch.full((1, 1, 1, 1), value)).exp().item() for value in (0.0, 1.0)]
    assert sum(both) == pytest.approx(1.0, abs=1e-6)


def test_dynamic_binarisation_draws_ones_at_the_grey_level() -> None:
    images = torch.full((1, 1, 200, 200), 0.3)
    observed = Bernoulli("dynamic").observe(images, generator())
    assert set(observed.unique().tolist()) == {0.0, 1.0}
    assert observed.mean().item() == pytest.approx(0.3, abs=0.01)
    assert not torch.equal(observed, Bernoulli("dynamic").observe(images, generator(1)))


def test_dynamic_binarisation_never_flips_black_or_white() -> None:
    images = torch.tensor([0.0, 1.0]).repeat(1, 1, 50, 50)
    assert torch.equal(Bernoulli("dynamic").observe(images, generator()), images)


def test_static_binarisation_thresholds() -> None:
    images = torch.tensor([0.0, 0.49, 0.5, 1.0]).reshape(1, 1, 2, 2)
    assert Bernoulli("static").observe(images, generator()).flatten().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("location", [-3.0, -0.5, 0.07, 0.5, 2.0])
@pytest.mark.parametrize("scale", [-100.0, 0.0, 100.0])
def test_the_discretised_logistic_sums_to_one_over_the_levels(levels: int, location: float, scale: float) -> None:
    grid = torch.linspace(0, 1, levels, dtype=torch.float64).reshape(-1, 1, 1, 1)
    params = torch.tensor([location, scale], dtype=torch.float64).reshape(1, 2, 1, 1).expand(levels, 2, 1, 1)
    log_p = DiscretizedLogistic(levels).log_prob(params, grid)
    assert log_p.isfinite().all()
    assert log_p.exp().sum().item() == pytest.approx(1.0, abs=1e-9)


def test_the_discretised_logistic_keeps_a_gradient_far_from_its_location() -> None:
    params = torch.tensor([-3.0, -100.0]).reshape(1, 2, 1, 1).requires_grad_()
    DiscretizedLogistic(256).log_prob(params, torch.full((1, 1, 1, 1), 128 / 255)).sum().backward()
    assert params.grad is not None and params.grad[0, 0].item() > 1.0


@pytest.mark.parametrize("raw", [-4.0, 0.0, 4.0])
def test_the_discretised_logistics_mean_is_its_expectation_to_half_a_level(raw: float) -> None:
    levels = 17
    grid = torch.linspace(0, 1, levels).reshape(-1, 1, 1, 1)
    for location in (-0.6, -0.2, 0.0, 0.31, 0.9):
        params = torch.tensor([location, raw]).reshape(1, 2, 1, 1)
        weights = DiscretizedLogistic(levels).log_prob(params.expand(levels, 2, 1, 1), grid).exp()
        expected = (weights * grid.flatten()).sum().item()
        assert DiscretizedLogistic(levels).mean(params).item() == pytest.approx(expected, abs=0.5 / (levels - 1))


def every_level(levels: int, likelihood: Likelihood, scale: float, channels: int = 1) -> Tensor:
    """Log-probabilities [levels, channels] of one random pixel's levels, each channel with the others at zero."""
    params = torch.randn(1, channels * likelihood.parameters, 1, 1, generator=generator(3), dtype=torch.float64) * scale
    grid = torch.linspace(0, 1, levels, dtype=torch.float64)
    asked = torch.zeros(channels, levels, channels, 1, 1, dtype=torch.float64)
    for channel in range(channels):
        asked[channel, :, channel, 0, 0] = grid
    log_p = likelihood.log_prob(params.expand(channels * levels, -1, 1, 1), asked.flatten(0, 1))
    return log_p.reshape(channels, levels).T


@pytest.mark.parametrize("kind", OF_LEVELS)
@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_grey_levels_of_a_pixel_have_probabilities_that_sum_to_one(
    kind: type[DiscretizedLogistic], levels: int, scale: float
) -> None:
    log_p = every_level(levels, kind(levels), scale)
    assert log_p.isfinite().all()
    assert log_p.exp().sum().item() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("kind", OF_LEVELS)
def test_the_channels_of_a_colour_pixel_are_independent(kind: type[DiscretizedLogistic]) -> None:
    log_p = every_level(5, kind(5), 1.0, channels=3)
    black = log_p[0, 0]
    assert torch.allclose(log_p[0], black)
    # sum over one channel = the product of the two others' probability of black, so all three give P(black) back
    marginals = log_p.exp().sum(0)
    alone = [(log_p[0, channel] - marginals[channel].log()).exp() for channel in range(3)]
    assert torch.stack(alone).prod().item() == pytest.approx(black.exp().item(), rel=1e-9)


def test_a_mixture_of_one_is_the_logistic() -> None:
    params = torch.randn(4, 3, 5, 5)
    images = DiscretizedLogistic(17).observe(torch.rand(4, 1, 5, 5))
    one = DiscretizedLogisticMixture(17, components=1)
    torch.testing.assert_close(one.log_prob(params, images), DiscretizedLogistic(17).log_prob(params[:, 1:], images))
    torch.testing.assert_close(one.mean(params), DiscretizedLogistic(17).mean(params[:, 1:]))


def test_a_mixture_adds_its_components_probabilities_channel_by_channel() -> None:
    likelihood, logistic = DiscretizedLogisticMixture(17, components=2), DiscretizedLogistic(17)
    params = torch.randn(3, 18, 4, 4)
    images = logistic.observe(torch.rand(3, 3, 4, 4))
    logits, locations, scales = (part.reshape(3, 2, 3, 4, 4) for part in params.chunk(3, dim=1))
    expected = torch.zeros(3)
    for n in range(3):
        for channel in range(3):
            for row in range(4):
                for column in range(4):
                    pixel = (n, slice(None), channel, row, column)
                    p = torch.tensor(0.0)
                    for k, place in enumerate((-0.25, 0.25)):  # components begin at 1/4 and 3/4, a logistic at 1/2
                        each = torch.stack([locations[pixel][k] + place, scales[pixel][k]]).reshape(1, 2, 1, 1)
                        value = images[n, channel, row, column].reshape(1, 1, 1, 1)
                        p = p + logits[pixel].softmax(0)[k] * logistic.log_prob(each, value).exp().squeeze()
                    expected[n] += p.log()
    torch.testing.assert_close(likelihood.log_prob(params, images), expected, rtol=1e-4, atol=1e-3)


def test_components_that_begin_alike_get_gradients_of_their_own() -> None:
    params = torch.zeros(1, 9, 1, 1, requires_grad=True)
    DiscretizedLogisticMixture(256, components=3).log_prob(params, torch.full((1, 1, 1, 1), 0.2)).sum().backward()
    assert params.grad is not None
    assert len(params.grad[0, 3:6].unique()) == 3


def test_a_categorical_is_a_softmax_over_the_levels() -> None:
    params = torch.randn(2, 5 * 3, 4, 4)
    images = torch.randint(0, 5, (2, 3, 4, 4))
    chances = torch.distributions.Categorical(logits=params.reshape(2, 5, 3, 4, 4).movedim(1, -1))
    found = Categorical(5).log_prob(params, images / 4)
    torch.testing.assert_close(found, chances.log_prob(images).sum((1, 2, 3)))


@pytest.mark.parametrize("kind", OF_LEVELS)
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_the_mean_is_the_expected_level_to_half_a_level(kind: type[DiscretizedLogistic], scale: float) -> None:
    likelihood = kind(17)
    for seed in range(5):
        params = scale * torch.randn(1, likelihood.parameters, 1, 1, generator=generator(seed))
        grid = torch.linspace(0, 1, 17).reshape(-1, 1, 1, 1)
        weights = likelihood.log_prob(params.expand(17, -1, 1, 1), grid).exp()
        expected = (weights * grid.flatten()).sum().item()
        assert likelihood.mean(params).item() == pytest.approx(expected, abs=0.5 / 16)


def test_observed_levels_are_on_the_grid() -> None:
    images = torch.arange(17).float().div(16).reshape(1, 1, 1, 17)
    assert torch.equal(DiscretizedLogistic(17).observe(images), images)
    off_grid = DiscretizedLogistic(17).observe(images + 0.01)
    assert torch.equal(off_grid, images)


def test_kinds_have_names_of_their_own() -> None:
    kinds = [Gaussian(0.1), Bernoulli("dynamic"), Bernoulli("static"), DiscretizedLogistic(17), DiscretizedLogistic()]
    assert len({(kind.name, kind.binarisation) for kind in kinds}) == len(kinds)


def test_probabilities_of_the_same_levels_are_of_one_kind() -> None:
    assert {kind(17).name for kind in OF_LEVELS} == {"discretized-17"}
