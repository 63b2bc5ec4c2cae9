"""cGAN with a projection discriminator: its logits depend on an image and a class label."""

from __future__ import annotations

from genkit.models import DataInfo
from genkit.models.gan import ConditionalGAN
from genkit.models.losses import HINGE
from genkit_gans.blocks import spectral, xavier_init
from genkit_gans.resnet import ClassResNetGenerator, ProjectionDiscriminator
from genkit_gans.sngan import SNGAN, SNGANOptions


class CGAN(ConditionalGAN):
    """Class-conditional GAN (arXiv:1802.05637, equation 3): logits psi(phi(x)) + <e_y, phi(x)>, hinge loss.

    The generator's batch normalisations have a gain and bias per class; the discriminator is SNGAN's with projection.
    """

    Options = SNGANOptions
    adversarial = HINGE
    betas = (0.0, 0.9)
    presets = SNGAN.presets

    def __init__(self, options: SNGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        generator = ClassResNetGenerator(options.latent, options.width, data.shape, data.num_classes)
        self.generator = generator.apply(xavier_init)
        discriminator = ProjectionDiscriminator(options.width, data.shape, data.num_classes)
        self.discriminator = spectral(discriminator.apply(xavier_init))
