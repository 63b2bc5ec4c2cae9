"""Adversarial losses and the Gaussian KL divergence against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from genkit.losses import NON_SATURATING, SATURATING, gaussian_kl


def test_discriminator_loss_is_cross_entropy_with_label_one_for_real() -> None:
    real, generated = torch.tensor([1.0, -0.5]), torch.tensor([0.3, 2.0])
    expected = binary_cross_entropy(real.sigmoid(), torch.ones(2))
    expected = expected + binary_cross_entropy(generated.sigmoid(), torch.zeros(2))
    assert NON_SATURATING.discriminator(real, generated).item() == pytest.approx(expected.item(), abs=1e-6)


def test_generator_losses_are_minus_log_d_and_log_one_minus_d() -> None:
    generated = torch.tensor([0.3, -2.0])
    d = generated.sigmoid()
    assert NON_SATURATING.generator(generated).item() == pytest.approx(-d.log().mean().item(), abs=1e-6)
    assert SATURATING.generator(generated).item() == pytest.approx((1 - d).log().mean().item(), abs=1e-6)


def test_losses_stay_exact_where_a_sigmoid_would_saturate() -> None:
    far = torch.tensor([200.0], requires_grad=True)
    loss = NON_SATURATING.discriminator(torch.zeros(1), far)
    loss.backward()
    assert loss.item() == pytest.approx(200.0 + torch.tensor(2.0).log().item())
    assert far.grad is not None and far.grad.item() == pytest.approx(1.0)


def test_the_saturating_gradient_fades_where_the_discriminator_wins() -> None:
    gradients = []
    for game in (NON_SATURATING, SATURATING):
        logits = torch.tensor([-10.0], requires_grad=True)
        game.generator(logits).backward()
        assert logits.grad is not None
        gradients.append(logits.grad.item())
    assert gradients[0] == pytest.approx(-1.0, abs=1e-3)
    assert -1e-4 < gradients[1] < 0


def test_gaussian_kl_sums_over_dimensions() -> None:
    mean, log_variance = torch.randn(3, 5), torch.randn(3, 5)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)
