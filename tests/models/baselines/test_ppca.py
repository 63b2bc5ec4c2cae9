"""Probabilistic PCA as an oracle: exact likelihood, tight bound, importance weighting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.distributions import MultivariateNormal

from genkit.data.dataset import Split
from genkit.errors import OptionsError
from genkit.models import DataInfo, Step
from genkit.models.baselines.ppca import PPCA, PPCAOptions


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits() -> Split:
    return Split("train", load_digits().images[:1437, None].astype(np.uint8), None, levels=17)


def fitted(split: Split, latent: int, *, dtype: torch.dtype = torch.float64) -> PPCA:
    _, *shape = split.pixels.shape
    model = PPCA(PPCAOptions(latent), DataInfo(tuple(shape), split.levels, num_train=len(split))).to(dtype)
    model.prepare_stage(0, split, Step(0, 0, generator()))
    return model


def images(n: int = 50) -> Tensor:
    return torch.from_numpy(load_digits().images[1437 : 1437 + n, None] / 16)


@pytest.fixture(scope="module")
def model() -> PPCA:
    return fitted(digits(), 16)


def test_the_closed_form_is_the_gaussian_with_the_models_covariance(model: PPCA) -> None:
    weight = model.decoder.weight
    covariance = weight @ weight.T + model.variance * torch.eye(64, dtype=torch.float64)
    expected = MultivariateNormal(model.decoder.mean, covariance).log_prob(images().flatten(1))
    torch.testing.assert_close(model.exact_log_likelihood(images()), expected, rtol=0, atol=1e-8)


def test_with_all_but_one_component_the_covariance_is_the_datas() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (500, 1, 3, 3)).astype(np.uint8)
    split = Split("train", pixels, None)
    model = fitted(split, 8)
    weight = model.decoder.weight
    covariance = weight @ weight.T + model.variance * torch.eye(9, dtype=torch.float64)
    data = split.images(slice(None)).double().flatten(1)
    torch.testing.assert_close(covariance, torch.cov(data.T, correction=0), rtol=0, atol=1e-10)
    torch.testing.assert_close(model.decoder.mean, data.mean(0), rtol=0, atol=1e-12)


def test_the_elbo_is_the_closed_form_image_by_image(model: PPCA) -> None:
    elbo = model.log_likelihood(images(), generator=generator())
    torch.testing.assert_close(elbo, model.exact_log_likelihood(images()), rtol=0, atol=1e-4)


def test_a_widened_posterior_lowers_the_bound_and_importance_weighting_climbs_back() -> None:
    model = fitted(digits(), 16)
    model.posterior_scale = 1.5
    many = images(200)
    exact = model.exact_log_likelihood(many)
    gaps = [model.log_likelihood(many, generator=generator(k), importance_samples=k) - exact for k in (1, 10, 100)]
    means = [gap.mean().item() for gap in gaps]
    errors = [gap.std().item() / len(gap) ** 0.5 for gap in gaps]
    assert means[0] < -1
    assert means[0] < means[1] < means[2]
    assert all(mean <= 4 * error for mean, error in zip(means, errors, strict=True))
    assert means[2] > 0.2 * means[0]


def test_components_beyond_the_datas_rank_keep_a_finite_density() -> None:
    model = fitted(digits(), 63)  # digits have constant pixels: the 64th eigenvalue is zero
    assert model.variance.item() == pytest.approx((1 / 16) ** 2 / 12)
    exact = model.exact_log_likelihood(images())
    assert exact.isfinite().all()
    torch.testing.assert_close(model.log_likelihood(images(), generator=generator()), exact, rtol=0, atol=1e-4)


def test_it_works_in_float32_too() -> None:
    model = fitted(digits(), 16, dtype=torch.float32)
    single = images().float()
    assert model.log_likelihood(single, generator=generator()).dtype == torch.float32
    exact = model.exact_log_likelihood(single).float()
    torch.testing.assert_close(model.log_likelihood(single, generator=generator()), exact, rtol=0, atol=0.02)


def test_reconstruction_beats_the_mean_image_and_sampling_stays_in_range(model: PPCA) -> None:
    error = (model.reconstruct(images()) - images()).square().mean()
    assert error < 0.3 * images().var(0).mean()
    drawn = model.sample(20, generator=generator())
    assert drawn.shape == (20, 1, 8, 8)
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_a_fitted_state_loads_into_a_new_model(model: PPCA) -> None:
    new = PPCA(PPCAOptions(16), model.data).double()
    new.load_state_dict(model.state_dict())
    torch.testing.assert_close(new.exact_log_likelihood(images()), model.exact_log_likelihood(images()))


def test_too_many_components_are_refused() -> None:
    with pytest.raises(OptionsError, match="'latent' is 64"):
        PPCA(PPCAOptions(64), DataInfo((1, 8, 8)))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 28, 28)], ids=str)
def test_it_fits_any_shape(shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(np.uint8)
    model = fitted(Split("train", pixels, None), 4, dtype=torch.float32)
    assert model.sample(2, generator=generator()).shape == (2, *shape)
