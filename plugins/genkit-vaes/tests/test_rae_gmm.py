"""The regularised autoencoder: its loss by hand, both regularisers, and a mixture of the training codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from genkit_vaes.rae_gmm import RAE, RAEOptions, squared_jacobian
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from genkit.data.dataset import Split
from genkit.models import Batch, DataInfo, Step

DIGITS = DataInfo((1, 8, 8), levels=17)


def build(cls: type[RAE] = RAE, **options: Any) -> RAE:
    torch.manual_seed(0)
    return cls(RAEOptions(**{"width": 4, "latent": 3, "components": 4, **options}), DIGITS)


def images() -> Tensor:
    return torch.randint(0, 17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 16


def step(seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed))


def test_the_loss_with_a_decay_of_weights() -> None:
    model = build(beta=0.5, strength=0.01)
    loss = model.loss("autoencoder", Batch(images()), step())
    codes = model.encoder(images())
    rec = 0.5 * (model.decoder(codes) - images()).square().sum((1, 2, 3))
    size = 0.25 * codes.square().sum(1)
    weights = sum(float(p.detach().square().sum()) for p in model.decoder.parameters())
    assert loss.item() == pytest.approx((rec + size).mean().item() + 0.01 * weights, rel=1e-5)


def test_the_loss_with_a_penalty_on_the_decoders_gradient() -> None:
    model = build(regulariser="gradient", beta=0.5, strength=0.01)
    loss = model.loss("autoencoder", Batch(images()), step(3))
    codes = model.encoder(images())
    decoded = model.decoder(codes)
    probe = torch.randn(images().shape, generator=torch.Generator().manual_seed(3))
    slope = torch.autograd.grad((decoded * probe).sum(), codes, create_graph=True)[0].square().sum(1)
    rec = 0.5 * (decoded - images()).square().sum((1, 2, 3))
    torch.testing.assert_close(loss, (rec + 0.25 * codes.square().sum(1) + 0.01 * slope).mean())
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_penalty_is_the_jacobians_squared_norm_on_average() -> None:
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 16), nn.Unflatten(1, (1, 4, 4)))
    code = torch.randn(1, 3)
    exact = torch.autograd.functional.jacobian(lambda z: decoder(z).flatten(), code).square().sum().item()
    codes = code.expand(20_000, -1).clone().requires_grad_()
    found = squared_jacobian(decoder, codes, torch.Generator().manual_seed(0)).item()
    assert found == pytest.approx(exact, rel=0.03)


def low_precision(decode: nn.Module, codes: Tensor, generator: torch.Generator) -> Tensor:
    """The wrong version: the Jacobian of a decoder that autocast rounds."""
    decoded = decode(codes).float()
    probe = torch.randn(decoded.shape, generator=generator)
    return torch.autograd.grad((decoded * probe).sum(), codes, create_graph=True)[0].square().sum(1).mean()


@pytest.mark.parametrize(("penalty", "exact"), [(squared_jacobian, True), (low_precision, False)])
def test_the_penalty_is_float32_under_autocast(penalty: Any, exact: bool) -> None:
    model, codes = build(), torch.randn(4, 3, requires_grad=True)
    expected = penalty(model.decoder, codes, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = penalty(model.decoder, codes, torch.Generator().manual_seed(0))
    assert torch.equal(found, expected) is exact


def split(name: str, seed: int, bright: bool) -> Split:
    pixels = np.random.default_rng(seed).integers(8 if bright else 0, 17, (300, 1, 8, 8)).astype(np.uint8)
    return Split(name, pixels, None, 17)


TRAIN, TEST = split("train", 0, bright=False), split("test", 1, bright=True)


class FittedOnTest(RAE):
    """Fits the mixture to the codes of the test images."""

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        super().prepare_stage(stage, TEST, step)


def require_mixture_of_the_training_codes(model: RAE) -> None:
    """After any iteration of EM the mixture has the mean and covariance of the codes."""
    model.prepare_stage(0, TRAIN, step())
    model.prepare_stage(1, TRAIN, step())
    with torch.no_grad():
        codes = model.encode(TRAIN.images(slice(None))).double()
    weights, means, factors = (t.double() for t in (model.weights, model.means, model.factors))
    mean = (weights[:, None] * means).sum(0)
    spread = factors @ factors.mT + means[:, :, None] * means[:, None, :]
    covariance = (weights[:, None, None] * spread).sum(0) - torch.outer(mean, mean)
    torch.testing.assert_close(mean, codes.mean(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(covariance, torch.cov(codes.T, correction=0), rtol=0, atol=1e-5)


def test_the_mixture_is_of_the_training_codes() -> None:
    require_mixture_of_the_training_codes(build())
    with pytest.raises(AssertionError):
        require_mixture_of_the_training_codes(build(FittedOnTest))


def test_latents_are_drawn_from_the_mixture() -> None:
    model = build(components=2)
    model.weights.copy_(torch.tensor([0.25, 0.75]))
    model.means.copy_(torch.tensor([[-5.0, 0.0, 0.0], [5.0, 1.0, 0.0]]))
    model.factors[1].copy_(torch.tensor([[0.5, 0.0, 0.0], [0.4, 0.3, 0.0], [0.0, 0.0, 2.0]]))
    drawn = model.draw_latent(20_000, generator=torch.Generator().manual_seed(0))
    second = drawn[drawn[:, 0] > 0]
    assert len(second) / 20_000 == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(second.mean(0), model.means[1], rtol=0, atol=0.06)
    torch.testing.assert_close(torch.cov(second.T), model.factors[1] @ model.factors[1].T, rtol=0, atol=0.1)


def test_the_priors_density_is_that_of_the_mixture_also_with_a_component_that_is_not_used() -> None:
    model = build(components=3)
    model.weights.copy_(torch.tensor([0.25, 0.75, 0.0]))
    model.means.copy_(torch.tensor([[-1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    model.factors[1].copy_(torch.tensor([[0.5, 0.0, 0.0], [0.4, 0.3, 0.0], [0.0, 0.0, 2.0]]))
    latent = torch.randn(5, 3, requires_grad=True)
    covariance = model.factors @ model.factors.mT
    parts = [MultivariateNormal(m, c).log_prob(latent).exp() for m, c in zip(model.means, covariance, strict=True)]
    found = model.log_prior(latent)
    torch.testing.assert_close(found, (0.25 * parts[0] + 0.75 * parts[1]).log())
    (slope,) = torch.autograd.grad(found.sum(), latent)
    assert slope.isfinite().all()


def test_before_the_fit_draws_are_standard_normal() -> None:
    drawn = build().draw_latent(10_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.cov(drawn.T), torch.eye(3), rtol=0, atol=0.05)


def test_the_fit_repeats_and_takes_fewer_images_than_components() -> None:
    model = build(components=40)
    few = Split("train", TRAIN.pixels[:30], None, 17)
    model.prepare_stage(1, few, step())
    first = model.means.clone()
    assert model.weights.sum().item() == pytest.approx(1.0) and not model.weights[30:].any()
    model.prepare_stage(1, few, step())
    assert torch.equal(model.means, first)
    assert model.sample(3, generator=torch.Generator().manual_seed(0)).shape == (3, 1, 8, 8)
