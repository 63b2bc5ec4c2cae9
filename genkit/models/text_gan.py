"""Base of GANs that follow classes or captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genkit.data.dataset import DataInfo
from genkit.data.stream import Batch
from genkit.models.base import Phase, Step
from genkit.models.conditions import Condition
from genkit.models.gan import ConditionalGAN, to_signed
from genkit.models.text import LEFT_OUT, reader_of


class TextGAN(ConditionalGAN):
    """Base of GANs that follow classes or, with an option ``text``, captions.

    Generator and discriminator are given labels int64 [N], or the mean vector [N, ``condition_size``] of each text,
    zeros for a text without words. The discriminator's loss trains the encoder. The discriminator is also shown real
    images with the captions of others, which are to it as generated images are (arXiv:1605.05396, algorithm 1).
    """

    text_size = 64

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.reader = reader_of(self, getattr(options, "text", ""), self.text_size)

    @property
    def condition_size(self) -> int:
        """How many numbers a condition has: one for each class, or those of a text's vector."""
        return self.data.num_classes if self.reader is None else self.text_size

    def phases(self) -> list[Phase]:
        """Return the phases; the discriminator's trains the text encoder too."""
        phases = super().phases()
        if self.reader is None:
            return phases
        trained = nn.ModuleList([self.discriminator, self.reader])
        optimizer = self.optimizer(trained, rate=self.d_learning_rate)
        return [Phase("discriminator", trained, optimizer, repeats=self.d_steps), *phases[1:]]

    @torch.no_grad()
    def understand(self, prompts: Sequence[str]) -> Condition:
        """Return what N prompts ask for, to draw with."""
        assert self.reader is not None
        return self.reader(prompts).pooled()  # type: ignore[no-any-return]

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the loss of real images with their captions, generated ones, and real ones with others' captions."""
        if self.reader is None:
            return super().discriminator_loss(batch, step)
        said = self.said(batch, step)
        real = step.augment(to_signed(batch.images))
        with torch.no_grad():
            generated = self.generate(len(batch), said, generator=step.generator)
        real_logits, mixed_up = self.discriminate(real, said), self.discriminate(real, said.roll(1, 0))
        generated_logits = self.discriminate(step.augment(generated), said)
        self.log_logits(real_logits, generated_logits, step)
        loss = self.adversarial.discriminator(real_logits, generated_logits)
        return 0.5 * (loss + self.adversarial.discriminator(real_logits, mixed_up))

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the generator's loss on images of the batch's captions."""
        if self.reader is None:
            return super().generator_loss(batch, step)
        with torch.no_grad():
            said = self.said(batch, step)
        generated = self.generate(len(batch), said, generator=step.generator)
        return self.adversarial.generator(self.discriminate(step.augment(generated), said))

    def said(self, batch: Batch, step: Step) -> Tensor:
        """Return the vectors [N, condition_size] of a batch's captions, some at random left out."""
        assert self.reader is not None
        vectors: Tensor = self.reader(batch.prompts or [""] * len(batch)).mean()
        kept = torch.rand(len(batch), 1, generator=step.generator, device=vectors.device) >= LEFT_OUT
        return vectors * kept

    def generate(self, n: int, labels: Any = None, *, generator: torch.Generator) -> Tensor:
        """Return images [n, C, H, W] in [-1, 1] of new latents, and of labels [n] or of what texts say.

        Without either, labels are drawn, or the images are of no particular text.
        """
        return super().generate(n, self.condition(labels, n), generator=generator)

    def discriminate(self, images: Tensor, labels: Any = None) -> Tensor:
        """Return float32 logits [N] of images in [-1, 1] with these labels [N] or vectors; without, of any."""
        return super().discriminate(images, self.condition(labels, len(images)))

    def decode(self, latent: Tensor, condition: Any = None) -> Tensor:
        """Return the generator's images in [0, 1] of latents and labels [N], or of what texts say."""
        return super().decode(latent, self.condition(condition, len(latent)))

    def condition(self, given: Any, n: int) -> Any:
        """Return what networks are given: labels or None of a model of classes; of texts, vectors [n, text_size].

        A model of texts takes labels for no text at all.
        """
        if self.reader is None:
            return given
        if isinstance(given, Condition):
            return given.mean()
        if isinstance(given, Tensor) and given.is_floating_point():
            return given
        return torch.zeros(n, self.text_size, device=self.device)
