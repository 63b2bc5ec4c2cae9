"""Whether a bound is a bound on a probability: checked through the typed likelihood that the VAE base offers.

A likelihood that forgets a constant does not sum to one; a bound that forgets one differs from the bound that its own
posterior, prior and likelihood give.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from genkit.conformance.inference import log_likelihood
from genkit.conformance.report import Skip, require
from genkit.conformance.subject import Subject
from genkit.models.base import capabilities
from genkit.models.likelihoods import Likelihood
from genkit.models.vae import VAE

PIXELS, LATENTS, PRIOR_DRAWS = 5, 3, 2000


def normalised(subject: Subject) -> None:
    """The likelihood of one pixel sums to 1 over its values, or integrates to 1 over the real line."""
    model = _typed(subject)
    if model.data.shape[0] != 1:
        raise Skip("unverified: the likelihood of colour pixels")
    likelihood = model.likelihood
    latent = model.draw_latent(LATENTS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        params = model.decoder(latent).double()
    images = likelihood.observe(subject.images[:LATENTS], torch.Generator().manual_seed(0)).double()
    _require_independent_pixels(likelihood, params, images)
    height, width = model.data.shape[1:]
    chance = torch.Generator().manual_seed(1)
    for place in torch.randint(height * width, (PIXELS,), generator=chance).tolist():
        for pixel in params[:, :, place // width, place % width, None, None]:
            total = _total(likelihood, pixel[None], model.data.levels)
            require(
                abs(total - 1) < 0.01,
                f"the likelihood {likelihood.name!r} of one pixel adds up to {total:.4g} over all its values, not 1: "
                "a constant is missing or wrong",
            )


def _total(likelihood: Likelihood, params: Tensor, levels: int) -> float:
    """Add up the probability of one pixel's values: both of a binary one, all levels, or an integral."""
    probe = torch.linspace(0, 1, 1009, dtype=torch.float64).reshape(-1, 1, 1, 1)
    seen = len(torch.unique(likelihood.observe(probe, torch.Generator().manual_seed(0))))
    if seen <= max(2, levels):
        count = 2 if seen <= 2 else levels
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
    """Skip unless an image's log-probability is the sum of its pixels': only then can one pixel be looked at alone."""
    n, height, width = len(images), *images.shape[2:]
    single_params = params.permute(0, 2, 3, 1).reshape(n * height * width, -1, 1, 1)
    single_images = images.permute(0, 2, 3, 1).reshape(n * height * width, -1, 1, 1)
    summed = likelihood.log_prob(single_params, single_images).reshape(n, -1).sum(1)
    if not torch.allclose(summed, likelihood.log_prob(params, images), rtol=1e-4, atol=1e-3):
        raise Skip(f"unverified: likelihood {likelihood.name} has dependent pixels")


def bound_recomputed(subject: Subject) -> None:
    """``log_likelihood`` equals, on average, the bound that posterior, prior and likelihood give."""
    model = _typed(subject)
    if type(model).draw_latent is not VAE.draw_latent and type(model).log_prior is VAE.log_prior:
        raise Skip("unverified: a prior of its own, without log_prior")
    if "posterior" not in capabilities(model):
        raise Skip("unverified: no posterior")
    _require_prior(model)
    images = subject.images[:32]
    for samples, repeats in ((1, 48), (8, 12)):
        differences = []
        for seed in range(repeats):
            chance = torch.Generator().manual_seed(1000 + seed)
            torch.manual_seed(1000 + seed)
            with torch.no_grad():
                mine = _bound(model, images, samples, chance)
            differences.append((log_likelihood(model, images, samples=samples, seed=seed) - mine).double())
        off = torch.stack(differences)
        error = float(off.std()) / math.sqrt(off.numel())
        require(
            abs(float(off.mean())) <= 5 * error + 1e-3,
            f"log_likelihood with {samples} importance samples is {float(off.mean()):+.3g} nats off the bound that its "
            f"posterior, prior and likelihood give (standard error {error:.2g}): a term or constant is wrong",
        )


def _require_prior(model: VAE) -> None:
    """Raise Broken unless latents are drawn from exp(log_prior), and that is normalised.

    Stein's identity, the mean of grad log p and of 1 + z grad log p is zero over draws from p, sees the draws; the mean
    of g / p, which is 1 for any density g, also the constant: g is a Gaussian fitted to other draws, and where it is
    far from p the mean says nothing.
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
        "draw_latent does not draw from the density that log_prior gives: its slope is not that of the draws",
    )
    ratio = (gaussian.log_prob(latent.detach()).sum(1) - log_prior.detach()).double().exp()
    if float(ratio.sum().square() / ratio.square().sum()) < 0.1 * len(ratio):
        raise Skip("unverified: a prior that is far from a Gaussian")
    mean, error = float(ratio.mean()), float(ratio.std()) / math.sqrt(len(ratio))
    require(
        abs(mean - 1) <= 5 * error + 0.05,
        f"log_prior is not a normalised density: the mean of another one's ratio to it is {mean:.3g} over draws "
        f"(standard error {error:.2g}), not 1",
    )


def _bound(model: VAE, images: Tensor, samples: int, chance: torch.Generator) -> Tensor:
    """The importance-weighted bound [N], from the definition (arXiv:1509.00519)."""
    observed = model.likelihood.observe(images, chance)
    posterior = model.posterior(observed)
    if not isinstance(posterior, Distribution):
        raise Skip(f"unverified: its posterior is {type(posterior).__name__}")
    terms = []
    for _ in range(samples):
        latent = posterior.sample()
        log_p = model.likelihood.log_prob(model.decoder(latent), observed)
        terms.append(log_p + model.log_prior(latent) - posterior.log_prob(latent))
    return torch.logsumexp(torch.stack(terms), 0) - math.log(samples)


def _typed(subject: Subject) -> VAE:
    if "log_likelihood" not in capabilities(subject.cls):
        raise Skip("no log_likelihood")
    model = subject.prepared()
    if not isinstance(model, VAE):
        raise Skip("unverified: no typed likelihood")
    return model
