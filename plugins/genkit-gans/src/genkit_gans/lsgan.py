"""LSGAN: DCGAN's networks, least squares for a game."""

from __future__ import annotations

from genkit.models.losses import LEAST_SQUARES
from genkit_gans.dcgan import DCGAN


class LSGAN(DCGAN):
    """Least squares GAN (arXiv:1611.04076, equation 9): D .5(r - 1)^2 + .5f^2, G .5(f - 1)^2.

    Logits are not probabilities here: 1 is real, 0 is generated.
    """

    adversarial = LEAST_SQUARES
