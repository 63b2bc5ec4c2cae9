"""Checks that ``log_likelihood`` bounds a normalised probability, through the ``likelihood`` of the VAE base.

A likelihood that lacks a constant does not sum to one. A bound that lacks one differs from the bound recomputed from
the model's posterior, prior and likelihood.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from genkit.conformance.inference import log_likelihood
from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest
from genkit.models.base import capabilities
from genkit.models.likelihoods import Likelihood
from genkit.models.vae import VAE

PIXELS, LATENTS, PRIOR_DRAWS = 5, 3, 2000


def normalised(tested: ModelUnderTest) -> None:
    """The likelihood of one pixel sums to 1 over its values, or integrates to 1 over the real line."""
    model = _typed(tested)
    if model.data.shape[0] != 1:
        raise CheckSkipped("unverified: the likelihood of colour pixels")
    likelihood = model.likelihood
    latent = model.draw_latent(LATENTS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        params = model.decoder(latent).double()
    images = likelihood.observe(tested.images[:LATENTS], torch.Generator().manual_seed(0)).double()
    _require_independent_pixels(likelihood, params, images)
    height, width = model.data.shape[1:]
    generator = torch.Generator().manual_seed(1)
    for index in torch.randint(height * width, (PIXELS,), generator=generator).tolist():
        for pixel in params[:, :, index // width, index % width, None, None]:
            total = _total(likelihood, pixel[None], model.data.levels)
            require(
                abs(total - 1) < 0.01,
                f"the likelihood {likelihood.name!r} of one pixel adds up to {total:.4g} over all its values, not 1: "
                "a constant is missing or wrong",
            )


def _total(likelihood: Likelihood, params: Tensor, levels: int) -> float:
    """Return the total probability of one pixel: a sum over its two values or its levels, or else an integral."""
    probe = torch.linspace(0, 1, 1009, dtype=torch.float64).reshape(-1, 1, 1, 1)
    distinct = len(torch.unique(likelihood.observe(probe, torch.Generator().manual_seed(0))))
    if distinct <= max(2, levels):
        count = 2 if distinct <= 2 else levels
        values = torch.linspace(0, 1, count, dtype=torch.float64)
        return float(_log_prob(likelihood, params, values).exp().sum())
    # Finely spaced around the mean, coarsely far away: scales from 1e-4 to 10 are all resolved.
    centre = likelihood.mean(params).reshape(())
    values = centre + 1e-4 * torch.sinh(torch.linspace(-14, 14, 40_001, dtype=torch.float64))
    return float(torch.trapezoid(_log_prob(likelihood, params, values).exp(), values))


def _log_prob(likelihood: Likelihood, params: Tensor, values: Tensor) -> Tensor:
    repeated = params.expand(len(values), *params.shape[1:])
    return likelihood.log_prob(repeated, values.reshape(-1, 1, 1, 1))


def _require_independent_pixels(likelihood: Likelihood, params: Tensor, images: Tensor) -> None:
    """Raise CheckSkipped unless an image's log-probability is the sum over its pixels: else one pixel says nothing."""
    n, height, width = len(images), *images.shape[2:]
    single_params = params.permute(0, 2, 3, 1).reshape(n * height * width, -1, 1, 1)
    single_images = images.permute(0, 2, 3, 1).reshape(n * height * width, -1, 1, 1)
    summed = likelihood.log_prob(single_params, single_images).reshape(n, -1).sum(1)
    if not torch.allclose(summed, likelihood.log_prob(params, images), rtol=1e-4, atol=1e-3):
        raise CheckSkipped(f"unverified: likelihood {likelihood.name} has dependent pixels")


def bound_recomputed(tested: ModelUnderTest) -> None:
    """``log_likelihood`` equals on average the bound recomputed from posterior, prior and likelihood."""
    model = _typed(tested)
    if type(model).draw_latent is not VAE.draw_latent and type(model).log_prior is VAE.log_prior:
        raise CheckSkipped("unverified: draw_latent is overridden, log_prior is not")
    if "posterior" not in capabilities(model):
        raise CheckSkipped("unverified: no posterior")
    if type(model)._log_prob is not VAE._log_prob:
        raise CheckSkipped("unverified: p(x | z) is not the likelihood at the decoder's output alone")
    _require_prior(model)
    images = tested.images[:32]
    for samples, repeats in ((1, 48), (8, 12)):
        differences = []
        for seed in range(repeats):
            generator = torch.Generator().manual_seed(1000 + seed)
            torch.manual_seed(1000 + seed)
            with torch.no_grad():
                recomputed = _bound(model, images, samples, generator)
            differences.append((log_likelihood(model, images, samples=samples, seed=seed) - recomputed).double())
        difference = torch.stack(differences)
        mean, error = float(difference.mean()), float(difference.std()) / math.sqrt(difference.numel())
        require(
            abs(mean) <= 5 * error + 1e-3,
            f"log_likelihood with {samples} importance samples is {mean:+.3g} nats off the bound of "
            f"its posterior, prior and likelihood (standard error {error:.2g}): a term or constant is wrong",
        )


def _require_prior(model: VAE) -> None:
    """Raise CheckFailed unless draw_latent draws from p = exp(log_prior), and p is normalised.

    Over draws from p, grad log p and 1 + z grad log p have mean zero (Stein's identity), which tests the draws; g / p
    has mean 1 for any density g, which tests the constant. Here g is a Gaussian fitted to other draws. If it is too far
    from p for the mean to be estimated, the check is skipped.
    """
    with torch.no_grad():
        drawn = model.draw_latent(2 * PRIOR_DRAWS, generator=torch.Generator().manual_seed(0)).flatten(1)
    fitted, latent = drawn.chunk(2)
    gaussian = Normal(fitted.mean(0), fitted.std(0))
    latent = latent.detach().requires_grad_()
    log_prior = model.log_prior(latent)
    (score,) = torch.autograd.grad(log_prior.sum(), latent)
    zero = torch.cat([score, 1 + (latent.detach() - gaussian.mean) * score], dim=1).double()
    errors = zero.std(0) / math.sqrt(len(zero))
    require(
        bool((zero.mean(0).abs() <= 6 * errors + 0.05).all()),
        "draw_latent does not draw from the density of log_prior: the gradient of log_prior does not match the draws",
    )
    ratio = (gaussian.log_prob(latent.detach()).sum(1) - log_prior.detach()).double().exp()
    if float(ratio.sum().square() / ratio.square().sum()) < 0.1 * len(ratio):
        raise CheckSkipped("unverified: a prior far from a Gaussian")
    mean, error = float(ratio.mean()), float(ratio.std()) / math.sqrt(len(ratio))
    require(
        abs(mean - 1) <= 5 * error + 0.05,
        f"log_prior is not a normalised density: a normalised density divided by it has mean {mean:.3g} over its draws "
        f"(standard error {error:.2g}), not 1",
    )


def _bound(model: VAE, images: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Return the importance-weighted bound [N] by its definition (arXiv:1509.00519)."""
    observed = model.likelihood.observe(images, generator)
    posterior = model.posterior(observed)
    if not isinstance(posterior, Distribution):
        raise CheckSkipped(f"unverified: its posterior is {type(posterior).__name__}")
    terms = []
    for _ in range(samples):
        latent = posterior.sample()
        log_p = model.likelihood.log_prob(model.decoder(latent), observed)
        terms.append(log_p + model.log_prior(latent) - posterior.log_prob(latent))
    return torch.logsumexp(torch.stack(terms), 0) - math.log(samples)


def _typed(tested: ModelUnderTest) -> VAE:
    if "log_likelihood" not in capabilities(tested.cls):
        raise CheckSkipped("no log_likelihood")
    model = tested.prepared()
    if not isinstance(model, VAE):
        raise CheckSkipped("unverified: no typed likelihood")
    return model
