"""Base classes of GANs: the two phases, their losses, sampling, and the conversion between [0, 1] and [-1, 1].

A subclass sets two networks and the size of its latent; the rest is here:

    class MyGAN(GAN):
        def __init__(self, options: MyOptions, data: DataInfo) -> None:
            super().__init__(options, data)
            self.generator = ...      # latent [N, latent] -> image [N, C, H, W] in [-1, 1]
            self.discriminator = ...  # image in [-1, 1] -> logits [N], higher for real

``MyOptions`` inherits ``GANOptions``, or the subclass sets ``self.latent`` itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.data.dataset import DataInfo
from genkit.data.stream import Batch
from genkit.errors import Unmeasurable, UsageError
from genkit.models.augment import Choice, augmentation
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.models.losses import NON_SATURATING, Adversarial


@dataclass
class GANOptions:
    """Options for any GAN to inherit.

    ``d_learning_rate``: the discriminator's learning rate, ``learning_rate`` if left out; ``d_steps``: discriminator
    steps per generator step; ``augment``: the augmentation of every image that the discriminator sees, real or not.
    With "ada" the probability of each transform rises from 0 to 1 in ``ada_images`` images at the fastest.
    """

    latent: Annotated[int, Ge(1)] = 100
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    d_learning_rate: Annotated[float, Gt(0)] | None = None
    d_steps: Annotated[int, Ge(1)] = 1
    augment: Choice = "none"
    ada_images: Annotated[int, Ge(1)] = 500_000


@dataclass
class GANSampling:
    """Options of drawing of every GAN.

    ``truncation`` scales latents: below 1, samples come nearer to the average image and lose variety
    (arXiv:1812.04948's psi, on z).
    """

    truncation: Annotated[float, Ge(0)] = 1.0


class GAN(GenerativeModel):
    """Base of every GAN: a generator and a discriminator, each with an Adam of its own (arXiv:1406.2661).

    A training step is ``d_steps`` discriminator steps, then one generator step. ``adversarial`` is the loss of both,
    ``d_learning_rate`` the discriminator's learning rate where it differs. Override ``penalty``,
    ``discriminator_loss`` or ``generator_loss`` for more loss terms, and ``phases`` for more phases.
    """

    Sampling: ClassVar[type] = GANSampling
    ema: ClassVar[tuple[str, ...]] = ("generator",)
    generator: nn.Module
    discriminator: nn.Module
    latent: int = 100
    adversarial: Adversarial = NON_SATURATING
    learning_rate: float = 2e-4
    d_learning_rate: float | None = None
    d_steps: int = 1
    betas: tuple[float, float] = (0.5, 0.999)

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        if isinstance(options, GANOptions):
            self.latent = options.latent
            self.learning_rate = options.learning_rate
            self.d_learning_rate = options.d_learning_rate
            self.d_steps = options.d_steps
            self.augmentation = augmentation(options.augment, options.ada_images)

    def optimizer(self, module: nn.Module, *, rate: float | None = None, lazy: int | None = None) -> Optimizer:
        """Return a new Adam over one network's parameters, with ``rate`` or else ``learning_rate``.

        ``lazy``: the number k of updates per update of a lazy phase that shares this optimiser. Learning rate and
        betas are then corrected by c = k / (k + 1): lr * c and beta ** c (arXiv:1912.04958, appendix B).
        """
        share = lazy / (lazy + 1) if lazy is not None else 1.0
        betas = (self.betas[0] ** share, self.betas[1] ** share)
        return torch.optim.Adam(module.parameters(), lr=(rate or self.learning_rate) * share, betas=betas, fused=True)

    def phases(self) -> list[Phase]:
        """Return the discriminator's phase, then the generator's."""
        opt_d = self.optimizer(self.discriminator, rate=self.d_learning_rate)
        return [
            Phase("discriminator", self.discriminator, opt_d, repeats=self.d_steps),
            Phase("generator", self.generator, self.optimizer(self.generator)),
        ]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of the phase "discriminator" or "generator"."""
        if phase == "discriminator":
            return self.discriminator_loss(batch, step)
        return self.generator_loss(batch, step)

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the discriminator's loss on a batch and as many generated images; log the mean logits of both."""
        with torch.no_grad():
            generated, labels = self.generate_fake(len(batch), step)
        real = to_signed(batch.images)
        # Two passes: in a mixed one, batch normalisation would tell the discriminator what the batch is made of.
        real_logits = self.discriminate(step.augment(real), batch.labels)
        generated_logits = self.discriminate(step.augment(generated), labels)
        self.log_logits(real_logits, generated_logits, step)
        return self.adversarial.discriminator(real_logits, generated_logits) + self.penalty(real, generated, step)

    def penalty(self, real: Tensor, generated: Tensor, step: Step) -> Tensor | float:
        """Return a term added to the discriminator's loss, given images in [-1, 1]; 0 by default."""
        return 0.0

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the generator's loss on as many new images as the batch has."""
        generated, labels = self.generate_fake(len(batch), step)
        logits = self.discriminate(step.augment(generated), labels)
        if not self.adversarial.paired:
            return self.adversarial.generator(logits)
        with torch.no_grad():
            real_logits = self.discriminate(step.augment(to_signed(batch.images)), batch.labels)
        return self.adversarial.generator(logits, real_logits)

    def generate_fake(self, n: int, step: Step) -> tuple[Tensor, Tensor | None]:
        """Return ``n`` new images in [-1, 1] and the labels they were generated for."""
        labels = self.draw_labels(n, generator=step.generator)
        return self.generate(n, labels, generator=step.generator), labels

    def log_logits(self, real_logits: Tensor, generated_logits: Tensor, step: Step) -> None:
        """Log the mean logits, and pass those of real images to an adaptive augmentation."""
        step.log(logits_real=real_logits.mean(), logits_generated=generated_logits.mean())
        step.augment.observe(self.adversarial.margin(real_logits, generated_logits))

    def generate(self, n: int, labels: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] of new latents."""
        images: Tensor = self.generator(self.draw_latent(n, generator=generator))
        return images.float()

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the discriminator's float32 logits [N] of images in [-1, 1]."""
        logits: Tensor = self.discriminator(images)
        return logits.float().reshape(len(images))

    def logits(self, images: Tensor) -> Tensor:
        """Return the discriminator's logits [N] of images in [0, 1], higher for real."""
        return self.discriminate(to_signed(images))

    def draw_labels(self, n: int, *, generator: torch.Generator) -> Tensor | None:
        """Draw the labels [n] of images to generate; None for unconditional models."""
        return None

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent] from N(0, 1); outside training their scale is the truncation."""
        latent = torch.randn(n, self.latent, generator=generator, device=self.device)
        scale = getattr(self.sampling, "truncation", 1.0)  # a subclass may draw with other options
        return latent if self.training or scale == 1 else latent * scale

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the generator's images in [0, 1] of latents [N, latent]."""
        return to_unit(self.generator(latent))

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images in [0, 1]."""
        return to_unit(self.generate(n, condition, generator=generator))


class ConditionalGAN(GAN):
    """Base of class-conditional GANs: generator(latent, labels) and discriminator(images, labels) (arXiv:1411.1784).

    The discriminator is given real images with their labels, and generated images with the labels they were generated
    for, drawn with the frequencies of the training data. Raises UsageError for data without labels.
    """

    conditional: ClassVar[bool] = True

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        if not data.num_classes and not getattr(options, "text", ""):
            raise UsageError(
                f"{type(self).__name__} needs class labels, which this data does not have: choose labelled data or an "
                "unconditional model"
            )

    def draw_labels(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw labels [n] with the classes' frequencies in the training data."""
        frequencies = torch.tensor(self.data.class_frequencies, device=self.device)
        return torch.multinomial(frequencies, n, replacement=True, generator=generator)

    def generate(self, n: int, labels: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] of new latents and of labels [n], drawn if not given."""
        latent = self.draw_latent(n, generator=generator)
        images: Tensor = self.generator(latent, self.draw_labels(n, generator=generator) if labels is None else labels)
        return images.float()

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return float32 logits [N] of images in [-1, 1] with these labels [N].

        Without labels, return the mean over classes, weighted by their frequencies in the training data.
        """
        if labels is not None:
            logits: Tensor = self.discriminator(images, labels)
            return logits.float().reshape(len(images))
        classes = torch.arange(self.data.num_classes, device=images.device)
        each = torch.stack([self.discriminate(images, label.expand(len(images))) for label in classes], dim=1)
        return each @ each.new_tensor(self.data.class_frequencies)

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the generator's images in [0, 1] of latents and labels [N]; raises Unmeasurable without labels."""
        if condition is None:
            raise Unmeasurable(f"{type(self).__name__} makes no image from a latent alone: it needs a class")
        return to_unit(self.generator(latent, condition))


def to_signed(images: Tensor) -> Tensor:
    """Map images from [0, 1] to [-1, 1], the range of a generator's tanh."""
    return images.mul(2).sub(1)


def to_unit(images: Tensor) -> Tensor:
    """Map images from [-1, 1] to [0, 1]; values outside, of a generator without tanh, are clipped."""
    return images.add(1).mul(0.5).clamp(0, 1)
