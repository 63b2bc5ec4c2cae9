"""cGAN with a projection discriminator: its logits depend on an image and a class label, or a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genkit.models import DataInfo
from genkit.models.losses import HINGE
from genkit.models.text import TextOptions
from genkit.models.text_gan import TextGAN
from genkit_gans.blocks import spectral, xavier_init
from genkit_gans.resnet import ClassResNetGenerator, ProjectionDiscriminator
from genkit_gans.sngan import SNGAN, SNGANOptions


@dataclass
class CGANOptions(SNGANOptions, TextOptions):
    """SNGAN's, and ``text``."""


class CGAN(TextGAN):
    """Class-conditional GAN (arXiv:1802.05637, equation 3): logits psi(phi(x)) + <e_y, phi(x)>, hinge loss.

    The generator's batch normalisations have a gain and bias per class; the discriminator is SNGAN's with projection.
    With an option ``text``, e_y and the gains are linear in the vector of a caption.
    """

    Options: ClassVar[type] = CGANOptions
    adversarial = HINGE
    betas = (0.0, 0.9)
    presets = SNGAN.presets

    def __init__(self, options: SNGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        generator = ClassResNetGenerator(options.latent, options.width, data.shape, self.condition_size)
        self.generator = generator.apply(xavier_init)
        texts = self.reader is not None
        discriminator = ProjectionDiscriminator(options.width, data.shape, self.condition_size, texts=texts)
        self.discriminator = spectral(discriminator.apply(xavier_init))
