"""LSGAN: DCGAN's networks with a least squares loss."""

from __future__ import annotations

from genkit.models.losses import LEAST_SQUARES
from genkit_gans.dcgan import DCGAN


class LSGAN(DCGAN):
    """Least squares GAN (arXiv:1611.04076, equation 9).

    D minimises (D(x) - 1)^2 / 2 + D(G(z))^2 / 2, G minimises (D(G(z)) - 1)^2 / 2: the output of D is not a logit here,
    but 1 for real and 0 for generated images.
    """

    adversarial = LEAST_SQUARES
