"""WGAN-GP: a critic that estimates the Wasserstein distance, its gradient norm held near 1 by a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor, nn

from genkit.models import DataInfo, Preset, Step
from genkit.models.losses import WASSERSTEIN, gradient_penalty, interpolate
from genkit_gans.dcgan import DCGAN, convolutions
from genkit_gans.networks import ConvOptions, normal_init


@dataclass
class WGANGPOptions(ConvOptions):
    """``penalty``: weight of the gradient penalty."""

    learning_rate: Annotated[float, Gt(0)] = 1e-4
    d_steps: Annotated[int, Ge(1)] = 5
    penalty: Annotated[float, Ge(0)] = 10.0


class WGANGP(DCGAN):
    """Wasserstein GAN with gradient penalty (arXiv:1704.00028).

    D minimises D(G(z)) - D(x) + penalty (|grad D(x^)| - 1)^2, G minimises -D(G(z)); x^ is uniform on the line between
    a real and a generated image. The critic is DCGAN's discriminator with layer instead of batch normalisation: the
    penalty is of single images, so no logit may depend on another image (section 4).
    """

    Options = WGANGPOptions
    options: WGANGPOptions
    adversarial = WASSERSTEIN
    betas = (0.0, 0.9)
    presets = {
        "digits": Preset(images=600_000, batch=64, options={"width": 32}),
        "mnist": Preset(images=1_000_000, batch=64, options={"width": 32}),
        "default": Preset(images=1_000_000, batch=64, options={"width": 32}),
        "gpu": Preset(images=25_000_000, batch=64),
    }

    def __init__(self, options: WGANGPOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.discriminator = convolutions(options.width, data.shape, norm=layer_norm).apply(normal_init)

    def penalty(self, real: Tensor, generated: Tensor, step: Step) -> Tensor:
        """Return the weighted gradient penalty at points between real and generated images."""
        between = interpolate(real, generated, step.generator)
        penalty = gradient_penalty(lambda images: self.discriminate(step.augment(images)), between)
        step.log(gradient_penalty=penalty)
        return self.options.penalty * penalty


def layer_norm(channels: int) -> nn.GroupNorm:
    """Return a normalisation over all channels and positions of each image."""
    return nn.GroupNorm(1, channels)
