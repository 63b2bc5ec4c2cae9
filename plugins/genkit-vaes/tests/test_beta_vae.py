"""beta-VAE: the weighted loss, the capacity, and a bound without either."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from genkit_vaes.beta_vae import BetaVAE, BetaVAEOptions
from torch import Tensor

from genkit.models import Batch, DataInfo, Step
from genkit.models.losses import gaussian_kl


def build(cls: type[BetaVAE] = BetaVAE, **options: Any) -> BetaVAE:
    torch.manual_seed(0)
    return cls(BetaVAEOptions(width=4, latent=3, **options), DataInfo((1, 8, 8), levels=17))


def images() -> Tensor:
    return torch.randint(0, 17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def loss(model: BetaVAE, seen: int = 0) -> tuple[float, float, float]:
    """The loss, and its two terms by hand."""
    total = model.loss("vae", Batch(images()), Step(0, seen, torch.Generator().manual_seed(2)))
    mean, log_variance = model.moments(images())
    latent = mean + (0.5 * log_variance).exp() * torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    rec = -model.likelihood.log_prob(model.decoder(latent), images()).mean()
    return total.item(), rec.item(), gaussian_kl(mean, log_variance).mean().item()


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_loss_is_rec_plus_beta_kl(beta: float) -> None:
    total, rec, kl = loss(build(beta=beta))
    assert kl > 0
    assert total == pytest.approx(rec + beta * kl, rel=1e-5)


@pytest.mark.parametrize(("seen", "capacity"), [(0, 0.0), (50, 10.0), (100, 20.0), (1000, 20.0)])
def test_the_capacity_grows_linearly_and_holds_kl(seen: int, capacity: float) -> None:
    total, rec, kl = loss(build(beta=7.0, capacity=20.0, capacity_images=100), seen)
    assert total == pytest.approx(rec + 7 * abs(kl - capacity), rel=1e-5)


class BoundAtBeta(BetaVAE):
    """Reports minus its loss as the bound."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound - (self.options.beta - 1) * self.kl(images)


@pytest.mark.parametrize(("cls", "same"), [(BetaVAE, True), (BoundAtBeta, False)])
def test_the_bound_does_not_know_beta(cls: type[BetaVAE], same: bool) -> None:
    bounds = [build(cls, beta=b).log_likelihood(images(), generator=torch.Generator()) for b in (1.0, 4.0)]
    assert torch.equal(*bounds) == same
