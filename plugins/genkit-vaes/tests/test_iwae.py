"""IWAE: the loss and its gradient against the definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from genkit_vaes.iwae import IWAE, IWAEOptions
from torch import Tensor
from torch.distributions import Normal

from genkit.models import Batch, DataInfo, Step

K = 4


def build(cls: type[IWAE] = IWAE, **options: Any) -> IWAE:
    torch.manual_seed(0)
    model = cls(IWAEOptions(width=5, latent=2, **{"importance_samples": K, **options}), DataInfo((1, 4, 4), levels=2))
    return model.double()


def images() -> Tensor:
    return torch.randint(0, 2, (3, 1, 4, 4), generator=torch.Generator().manual_seed(1)).double()


def loss(model: IWAE) -> Tensor:
    return model.loss("vae", Batch(images()), Step(0, 0, torch.Generator().manual_seed(2)))


def by_definition(model: IWAE) -> Tensor:
    """-log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), image by image and draw by draw, from torch's distributions."""
    chance = torch.Generator().manual_seed(2)
    torch.rand(images().shape, generator=chance, dtype=torch.float64)  # the binarisation's draws
    noise = torch.randn(3, K, 2, generator=chance, dtype=torch.float64)
    bounds = []
    for image, draws in zip(images(), noise, strict=True):
        mean, raw = model.encoder(image[None])[0].chunk(2)
        posterior = Normal(mean, (5 * torch.tanh(raw / 10)).exp())
        weights = []
        for draw in draws:
            latent = posterior.mean + posterior.stddev * draw
            p = model.decoder(latent[None])[0].sigmoid()
            likelihood = torch.where(image == 1, p, 1 - p).prod()
            weights.append(likelihood * (Normal(0, 1).log_prob(latent) - posterior.log_prob(latent)).sum().exp())
        bounds.append((torch.stack(weights).sum() / K).log())
    return -torch.stack(bounds).mean()


def gradient(model: IWAE, value: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


class SoftmaxOfLosses(IWAE):
    """Weighs each draw's loss by a softmax over the losses: the worst draw counts most."""

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        losses = -self._log_weights(batch, step)
        return (losses.detach().softmax(1) * losses).sum(1).mean()

    def _log_weights(self, batch: Batch, step: Step) -> Tensor:
        observed = self.likelihood.observe(batch.images, step.generator)
        return self.log_weights(observed, self.noise(len(batch), K, generator=step.generator))


class WeightedSum(SoftmaxOfLosses):
    """sum w~ log w: right gradient with w~ held fixed, but the value is not a bound."""

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        log_weights = self._log_weights(batch, step)
        return -(log_weights.detach().softmax(1) * log_weights).sum(1).mean()


class Unnormalised(SoftmaxOfLosses):
    """Forgets the 1/K."""

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return -self._log_weights(batch, step).logsumexp(1).mean()


class MeanOfBounds(SoftmaxOfLosses):
    """The mean over draws outside of the logarithm: the VAE's loss with K draws."""

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return -self._log_weights(batch, step).mean()


def test_the_loss_and_its_gradient_are_those_of_the_definition() -> None:
    model = build()
    expected = by_definition(model)
    torch.testing.assert_close(loss(model), expected)
    torch.testing.assert_close(gradient(model, loss(model)), gradient(model, expected))


@pytest.mark.parametrize(
    ("mutant", "value", "slope"),
    [
        (SoftmaxOfLosses, False, False),
        (WeightedSum, False, True),
        (Unnormalised, False, True),
        (MeanOfBounds, False, False),
    ],
)
def test_what_only_looks_like_it_differs(mutant: type[IWAE], value: bool, slope: bool) -> None:
    model = build(mutant)
    expected = by_definition(model)
    assert torch.allclose(loss(model), expected, rtol=1e-5) == value
    assert torch.allclose(gradient(model, loss(model)), gradient(model, expected), rtol=1e-5) == slope


def test_one_sample_is_the_vaes_loss_at_a_draw() -> None:
    model = build(importance_samples=1)
    observed = images()
    log_weights = model.log_weights(observed, torch.zeros(3, 1, 2, dtype=torch.float64))
    rec, _ = model.terms(observed, torch.zeros(3, 2, dtype=torch.float64))
    mean, log_variance = model.moments(observed)
    kl_at_draw = Normal(mean, (0.5 * log_variance).exp()).log_prob(mean) - Normal(0.0, 1.0).log_prob(mean)
    torch.testing.assert_close(-log_weights[:, 0], rec + kl_at_draw.sum(1))


def test_it_has_the_vaes_networks_and_bernoulli_pixels() -> None:
    model = IWAE(IWAEOptions(), DataInfo((1, 28, 28)))
    assert (model.observation, model.binarisation, model.latent) == ("bernoulli", "dynamic", 20)
    assert model.options.importance_samples == 5


def test_more_samples_in_training_bring_a_higher_bound(digits: tuple[Tensor, Tensor], train: Any) -> None:
    bounds = []
    for k in (1, 10):
        torch.manual_seed(0)
        model = IWAE(IWAEOptions(width=64, importance_samples=k), DataInfo((1, 8, 8), levels=17))
        train(model, digits[0], 600, 64)
        chance = torch.Generator().manual_seed(0)
        bounds.append(model.log_likelihood(digits[1], generator=chance, importance_samples=50).mean().item())
    assert bounds[1] > bounds[0] > -64 * math.log(2)
