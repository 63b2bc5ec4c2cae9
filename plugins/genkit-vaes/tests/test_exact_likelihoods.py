"""Bounds against exact log-likelihoods, on images from linear-Gaussian models."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from genkit.models import VAE, DataInfo
from genkit.models.baselines.ppca import PPCA, Affine, PPCAOptions
from genkit.models.likelihoods import Gaussian
from genkit.training.runs import make_model

INFO = DataInfo((1, 8, 8))
LATENT, VARIANCE = 2, 0.05
MODELS: dict[str, dict[str, Any]] = {
    "vae": {"width": 16},
    "conv-vae": {"width": 4},
    "beta-vae": {"width": 4},
    "iwae": {"width": 16},
    "vamp-vae": {"width": 4, "pseudo_inputs": 3},
    "flow-vae": {"width": 4, "flows": 3, "flow_width": 4},
}


def truth(contrast: float = 1.0) -> PPCA:
    """Images N(W z + 1/2, variance I); a contrast below 1 moves them towards grey."""
    chance = torch.Generator().manual_seed(0)
    model = PPCA(PPCAOptions(LATENT), INFO)
    model.decoder.weight.copy_(contrast * 0.1 * torch.randn(64, LATENT, generator=chance))
    model.decoder.mean.fill_(0.5)
    model.variance.fill_(contrast**2 * VARIANCE)
    return model.double()


def drawn(model: PPCA, n: int, seed: int) -> Tensor:
    """Images drawn from the true model: 8x8, not clipped."""
    chance = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, 1, 8, 8, generator=chance, dtype=torch.float64)
    latent = torch.randn(n, LATENT, generator=chance, dtype=torch.float64)
    return model.decoder(latent) + model.variance.sqrt() * noise


def linear(name: str) -> VAE:
    """A model with its own encoder, prior and bound, and a decoder under which p(x) is known."""
    torch.manual_seed(0)
    model = make_model(name, {"latent": LATENT, **MODELS[name]}, INFO)
    assert isinstance(model, VAE)
    model.decoder = Affine(INFO.shape, LATENT)
    model.decoder.load_state_dict(truth().decoder.state_dict())
    model.likelihood = Gaussian(VARIANCE)
    if name == "flow-vae":  # constant shifts and scales: the prior is a Gaussian, and not N(0, 1)
        with torch.no_grad():
            for network in model.flow.networks:  # type: ignore[union-attr]
                network[-1].bias.normal_(0, 0.5)  # type: ignore[index, operator]
    if name == "vamp-vae":  # components that lie apart
        with torch.no_grad():
            model.encoder[-1].weight.mul_(4)  # type: ignore[index, operator]
            model.pseudo_logits.mul_(3)  # type: ignore[operator]
    return model.double()


def components(name: str, model: VAE) -> list[tuple[Tensor, Tensor]]:
    """Mean and covariance of the Gaussians, equally likely, that the model's prior is made of."""
    if name == "vamp-vae":
        mean, log_variance = model._components()  # type: ignore[operator]
        return [(m, torch.diag(v.exp())) for m, v in zip(mean, log_variance, strict=True)]
    zero, unit = torch.zeros(LATENT).double(), torch.eye(LATENT).double()
    if name == "flow-vae":
        shift = model.flow.inverse(zero)  # type: ignore[union-attr, operator]
        factor = (model.flow.inverse(unit) - shift).T  # type: ignore[union-attr, operator]
        return [(shift, factor @ factor.T)]
    return [(zero, unit)]


def exact(name: str, model: VAE, images: Tensor) -> Tensor:
    weight, mean = truth().decoder.weight, truth().decoder.mean
    noise = VARIANCE * torch.eye(64).double()
    mixture = components(name, model)
    terms = [MultivariateNormal(weight @ m + mean, weight @ c @ weight.T + noise) for m, c in mixture]
    log_p = torch.stack([term.log_prob(images.flatten(1)) for term in terms])
    return log_p.logsumexp(0) - math.log(len(terms))


@pytest.mark.parametrize("name", MODELS)
def test_the_bound_is_below_the_truth_and_importance_weighting_climbs_to_it(name: str) -> None:
    images = drawn(truth(), 200, seed=1)
    model = linear(name)
    with torch.no_grad():
        known = exact(name, model, images)
    if name not in ("vamp-vae", "flow-vae"):
        torch.testing.assert_close(known, truth().exact_log_likelihood(images))
    gaps = []
    for k in (1, 10, 1000):
        chance = torch.Generator().manual_seed(k)
        gaps.append(model.log_likelihood(images, generator=chance, importance_samples=k) - known)
    means = [gap.mean().item() for gap in gaps]
    errors = [gap.std().item() / math.sqrt(len(gap)) for gap in gaps]
    assert all(mean <= 4 * error for mean, error in zip(means, errors, strict=True))
    assert means[0] < means[1] < means[2] + 4 * errors[2]
    assert means[0] < -0.5 and means[2] > -0.3


@pytest.mark.parametrize(
    ("name", "likelihood"),
    [("hvae", "mixture"), ("conv-vae", "logistic"), ("conv-vae", "mixture"), ("conv-vae", "categorical")],
)
def test_a_trained_bound_on_levels_stays_below_the_truth(name: str, likelihood: str, train: Any) -> None:
    """Rounded to 256 levels, an image's probability is its density times the bins' volume, as they are narrow."""
    torch.manual_seed(0)
    options = {"width": 6, "latent": 4, "likelihood": likelihood, "learning_rate": 3e-3}
    model = make_model(name, options, INFO)
    assert isinstance(model, VAE)
    source = truth(contrast=0.3)
    seen, unseen = (drawn(source, n, seed).float() for n, seed in ((2000, 2), (300, 3)))
    assert unseen.min() > 0 and unseen.max() < 1
    train(model, seen.clamp(0, 1), 80, 64)
    rounded = model.likelihood.observe(unseen)
    known = source.exact_log_likelihood(rounded.double()) - 64 * math.log(255)
    gaps = []
    for k in (1, 20):
        chance = torch.Generator().manual_seed(k)
        gaps.append((model.log_likelihood(rounded, generator=chance, importance_samples=k) - known).mean().item())
    assert gaps[0] < gaps[1] < 0
    assert gaps[1] > -64  # a nat per pixel: it has learned the scale, so the comparison means something
