"""AC-GAN: the discriminator also classifies images, and both networks minimise the classification loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genkit.models import Batch, DataInfo, Preset, Step
from genkit.models.gan import to_signed
from genkit_gans.blocks import spectral, xavier_init
from genkit_gans.cgan import CGAN
from genkit_gans.networks import Shape
from genkit_gans.resnet import ResNetFeatures
from genkit_gans.sngan import SNGANOptions


@dataclass
class ACGANOptions(SNGANOptions):
    """``class_weight``: weight of the class loss; on generated images it is reached after ``class_ramp`` images."""

    class_weight: Annotated[float, Ge(0)] = 1.0
    class_ramp: Annotated[int, Ge(0)] = 50_000


class ACGAN(CGAN):
    """Auxiliary classifier GAN (arXiv:1610.09585, equations 2 and 3), with the hinge loss and cGAN's generator.

    D minimises relu(1 - D(x)) + relu(1 + D(G(z))) + c CE(x) + c w CE(G(z)), G minimises -D(G(z)) + c w CE(G(z)), where
    CE is -log p(label). The weight w rises from 0 to 1: early samples show no class, and classifying them would teach
    both networks noise.
    """

    Options: ClassVar[type] = ACGANOptions
    options: ACGANOptions
    presets = {
        **CGAN.presets,
        "gpu": Preset(images=25_000_000, options={"width": 64, "class_ramp": 1_000_000}),
    }

    def __init__(self, options: ACGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        discriminator = ClassifyingDiscriminator(options.width, data.shape, data.num_classes)
        self.discriminator = spectral(discriminator.apply(xavier_init))

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the hinge loss and the class losses of real and generated images."""
        with torch.no_grad():
            generated, labels = self.generate_fake(len(batch), step)
        real_logits, real_class = self.discriminator(step.augment(to_signed(batch.images)))
        logits, generated_class = self.discriminator(step.augment(generated))
        self.log_logits(real_logits, logits, step)
        class_loss = cross_entropy(real_class, batch.labels)  # type: ignore[arg-type]
        step.log(class_real=class_loss)
        class_loss = class_loss + self.ramp(step) * cross_entropy(generated_class, labels)  # type: ignore[arg-type]
        return self.adversarial.discriminator(real_logits, logits) + self.options.class_weight * class_loss

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the hinge loss and the class loss of generated images."""
        generated, labels = self.generate_fake(len(batch), step)
        logits, generated_class = self.discriminator(step.augment(generated))
        class_loss = cross_entropy(generated_class, labels)  # type: ignore[arg-type]
        step.log(class_generated=class_loss)
        return self.adversarial.generator(logits) + self.options.class_weight * self.ramp(step) * class_loss

    def ramp(self, step: Step) -> float:
        """Return the weight of the class loss of generated images: from 0 to 1 in ``class_ramp`` images."""
        return min(1.0, step.images_seen / max(1, self.options.class_ramp))

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return float32 logits [N] of images in [-1, 1]; labels are ignored."""
        logits: Tensor = self.discriminator(images)[0]
        return logits


class ClassifyingDiscriminator(nn.Module):
    """Images [N, C, H, W] -> logits [N] and class logits [N, classes], from one residual network."""

    def __init__(self, width: int, shape: Shape, classes: int) -> None:
        super().__init__()
        self.features = ResNetFeatures(width, shape)
        self.real = nn.Linear(self.features.size, 1)
        self.named = nn.Linear(self.features.size, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return both in float32."""
        features = self.features(images)
        return self.real(features)[:, 0].float(), self.named(features).float()
