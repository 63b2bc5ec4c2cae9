"""Observation models against their definitions: constants, normalisation, what is observed."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal

from genkit.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gaussian_log_prob_has_all_constants() -> None:
    images, params = torch.rand(4, 3, 5, 5), torch.rand(4, 3, 5, 5)
    expected = Normal(params, 0.02**0.5).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(Gaussian(0.02).log_prob(params, images), expected)


def test_gaussian_distortion_is_half_the_sum_of_squares() -> None:
    assert Gaussian(0.02).distortion(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item() == 8.0
    assert Gaussian(0.02).kl_weight == 0.02


@pytest.mark.parametrize("likelihood", [Gaussian(0.05), Bernoulli(), DiscretizedLogistic(17)], ids=lambda x: x.name)
def test_distortion_is_kl_weight_times_negative_log_prob_up_to_a_constant(
    likelihood: Gaussian | Bernoulli | DiscretizedLogistic,
) -> None:
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


def test_observed_levels_are_on_the_grid() -> None:
    images = torch.arange(17).float().div(16).reshape(1, 1, 1, 17)
    assert torch.equal(DiscretizedLogistic(17).observe(images), images)
    off_grid = DiscretizedLogistic(17).observe(images + 0.01)
    assert torch.equal(off_grid, images)


def test_kinds_have_names_of_their_own() -> None:
    kinds = [Gaussian(0.1), Bernoulli("dynamic"), Bernoulli("static"), DiscretizedLogistic(17), DiscretizedLogistic()]
    assert len({(kind.name, kind.binarisation) for kind in kinds}) == len(kinds)
