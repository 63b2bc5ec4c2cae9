"""Losses that models share: adversarial losses, gradient penalties, the KL divergence between Gaussians.

A discriminator's logits D(x) are higher for real images. Every loss is computed from logits, never from probabilities:
a sigmoid followed by a logarithm loses its gradient where it saturates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from genkit.models.precision import full_precision


@dataclass(frozen=True)
class Adversarial:
    """An adversarial loss: what discriminator and generator minimise, given logits [N] in float32.

    ``discriminator(real, generated)`` and ``generator(generated)`` return scalars, means over the batch. A ``paired``
    loss compares each generated image with a real one: ``generator(generated, real)``. ``margin(real, generated)`` [N]
    is positive where the discriminator takes a real image for real.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    paired: bool = False
    margin: Callable[[Tensor, Tensor], Tensor] = lambda real, generated: real


def logistic_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean softplus(-D(x)) + mean softplus(D(G(z))): cross-entropy, label 1 for real (arXiv:1406.2661)."""
    return softplus(-real).mean() + softplus(generated).mean()


def non_saturating_generator(generated: Tensor) -> Tensor:
    """Return mean softplus(-D(G(z))) = -log sigmoid(D(G(z))), whose gradient stays strong where the discriminator wins.

    arXiv:1406.2661, section 3.
    """
    return softplus(-generated).mean()


def saturating_generator(generated: Tensor) -> Tensor:
    """Return -mean softplus(D(G(z))) = log(1 - sigmoid(D(G(z)))), whose gradient fades where the discriminator wins.

    The generator's part of the minimax loss (arXiv:1406.2661, equation 1).
    """
    return -softplus(generated).mean()


def least_squares_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2 (arXiv:1611.04076, equation 9)."""
    return 0.5 * (real - 1).square().mean() + 0.5 * generated.square().mean()


def least_squares_generator(generated: Tensor) -> Tensor:
    """Return mean (D(G(z)) - 1)^2 / 2 (arXiv:1611.04076, equation 9)."""
    return 0.5 * (generated - 1).square().mean()


def hinge_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean relu(1 - D(x)) + mean relu(1 + D(G(z))) (arXiv:1802.05957, equation 16)."""
    return relu(1 - real).mean() + relu(1 + generated).mean()


def wasserstein_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean D(G(z)) - mean D(x), minus the Wasserstein distance for a 1-Lipschitz D (arXiv:1701.07875, eq. 2)."""
    return generated.mean() - real.mean()


def linear_generator(generated: Tensor) -> Tensor:
    """Return -mean D(G(z)): the generator's part of the hinge and the Wasserstein loss."""
    return -generated.mean()


def relativistic_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean softplus(D(G(z)) - D(x)), each G(z) paired with one x (arXiv:1807.00734, 2501.05441)."""
    return softplus(generated - real).mean()


def relativistic_generator(generated: Tensor, real: Tensor) -> Tensor:
    """Return mean softplus(D(x) - D(G(z))), each G(z) paired with one x (arXiv:1807.00734, 2501.05441)."""
    return softplus(real - generated).mean()


NON_SATURATING = Adversarial("non-saturating", logistic_discriminator, non_saturating_generator)
SATURATING = Adversarial("saturating", logistic_discriminator, saturating_generator)
LEAST_SQUARES = Adversarial(
    "least-squares", least_squares_discriminator, least_squares_generator, margin=lambda real, generated: real - 0.5
)
HINGE = Adversarial("hinge", hinge_discriminator, linear_generator)
WASSERSTEIN = Adversarial(
    "wasserstein", wasserstein_discriminator, linear_generator, margin=lambda real, generated: real - generated.mean()
)
RELATIVISTIC = Adversarial(
    "relativistic",
    relativistic_discriminator,
    relativistic_generator,
    paired=True,
    margin=lambda real, generated: real - generated,
)

Discriminator = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] -> logits [N]."""


def r1_penalty(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Return the mean of |grad D(x)|^2 over real images: the R1 penalty without its gamma/2 (arXiv:1801.04406)."""
    return input_gradients(discriminator, images).square().flatten(1).sum(1).mean()


def r2_penalty(discriminator: Discriminator, generated: Tensor) -> Tensor:
    """Return the mean of |grad D(x)|^2 over generated images: the R2 penalty without its gamma/2 (arXiv:1801.04406)."""
    return r1_penalty(discriminator, generated)


def gradient_penalty(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Return the mean of (|grad D(x)| - 1)^2 over images, without a weight (arXiv:1704.00028, equation 3)."""
    lengths: Tensor = torch.linalg.vector_norm(input_gradients(discriminator, images).flatten(1), dim=1)
    return (lengths - 1).square().mean()


def interpolate(real: Tensor, generated: Tensor, generator: torch.Generator) -> Tensor:
    """Return a point on the line between each real and its generated image, drawn uniformly per image."""
    share = torch.rand(len(real), 1, 1, 1, generator=generator, device=real.device)
    return share * real + (1 - share) * generated


def input_gradients(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Return the gradients of the logits with respect to the images, [N, C, H, W], differentiable once more.

    Computed in float32, also under autocast. The images are detached: a penalty's gradient stops at them.
    """
    with full_precision(images.device):
        images = images.detach().float().requires_grad_()
        gradient: Tensor = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)[0]
    return gradient


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)) [N] in nats, summed over all dimensions but the first."""
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * terms.flatten(1).sum(1)


def gaussian_kl_between(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(prior_mean, exp(prior_log_variance))) [N] in nats, summed likewise."""
    # KL does not change when both are shifted and scaled, here so that the prior becomes N(0, 1).
    return gaussian_kl((mean - prior_mean) * (-0.5 * prior_log_variance).exp(), log_variance - prior_log_variance)


def gaussian_log_prob(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return log N(value; mean, exp(log_variance)) in nats with all constants, summed over the last dimension."""
    squares = (value - mean).square() * (-log_variance).exp()
    return -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(-1)
