"""Losses that models share: adversarial games and the Kullback-Leibler divergence of a diagonal Gaussian.

A discriminator's logits are higher for real images. Each loss is computed from logits, never from probabilities: a
sigmoid followed by a logarithm loses its gradient where it is needed most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class Adversarial:
    """An adversarial game: what each player minimises, given logits [N] in float32.

    ``discriminator(real, generated)`` and ``generator(generated)`` return scalars, means over the batch.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def logistic_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean sp(-r) + mean sp(f): cross-entropy with label 1 for real, 0 for generated (arXiv:1406.2661)."""
    return softplus(-real).mean() + softplus(generated).mean()


def non_saturating_generator(generated: Tensor) -> Tensor:
    """Return mean sp(-f), which is -log D: its gradient is strong where the discriminator wins (arXiv:1406.2661)."""
    return softplus(-generated).mean()


def saturating_generator(generated: Tensor) -> Tensor:
    """Return -mean sp(f), which is log(1 - D): the minimax game, whose gradient fades where the discriminator wins."""
    return -softplus(generated).mean()


NON_SATURATING = Adversarial("non-saturating", logistic_discriminator, non_saturating_generator)
SATURATING = Adversarial("saturating", logistic_discriminator, saturating_generator)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over all dimensions but the first: [N]."""
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * terms.flatten(1).sum(1)
