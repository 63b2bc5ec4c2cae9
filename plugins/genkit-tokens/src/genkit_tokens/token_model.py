"""The base of token models: the two stages, labels, drawing and completion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from genkit.models import Batch, GenerativeModel, Phase, Step
from genkit_tokens.borrowed import borrow, with_hash
from genkit_tokens.sampling import TokenSampling
from genkit_tokens.tokenizer import Tokenizer, TokenizerOptions, perplexity
from genkit_tokens.transformer import Transformer, TransformerOptions

if TYPE_CHECKING:
    from genkit.data import Split

CACHE_BYTES = 1 << 28
"""Memory of the keys and values of images that are drawn at once."""

Given = tuple[Tensor, Tensor] | None
"""Tokens [N, T], and which of them are known, bool [N, T]."""


@dataclass
class TokenOptions(TransformerOptions, TokenizerOptions):
    """Options of a token model.

    ``tokenizer``: a run whose tokenizer is used, with the same options; the first stage is then skipped. The hash of
    its weights is added to the name.
    """

    tokenizer: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tokenizer = with_hash(self.tokenizer)


class TokenModel(GenerativeModel):
    """Base of token models: the tokenizer is trained first, then the transformer on its tokens.

    A subclass sets ``tokenizer`` and ``transformer`` and defines ``logits_of_tokens`` and ``draw_tokens``. Images are
    tokenised anew at every step: nothing is kept between stages but the tokenizer's weights.
    """

    Options = TokenOptions
    Sampling = TokenSampling
    stages = 2
    stage_shares = (1.0, 3.0)
    ema = ("tokenizer", "transformer")
    conditional: ClassVar[bool] = True
    options: TokenOptions
    sampling: TokenSampling
    tokenizer: Tokenizer
    transformer: Transformer

    def phases(self) -> list[Phase]:
        """Return the tokenizer's phase, then the transformer's: AdamW, warm-up, and cosine over the stage's images."""
        options = self.options
        first = torch.optim.AdamW(self.tokenizer.parameters(), options.tokenizer_rate, (0.9, 0.99), weight_decay=0.0)
        second = torch.optim.AdamW(decayed(self.transformer), options.learning_rate, (0.9, 0.95))
        phases = [
            Phase("tokenizer", self.tokenizer, first, stage=0, clip=1.0, schedule=warm_cosine),
            Phase("transformer", self.transformer, second, stage=1, clip=1.0, schedule=warm_cosine),
        ]
        return phases[1:] if options.tokenizer else phases

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the tokenizer's loss, or the cross-entropy of the tokens in nats a token."""
        if phase == "tokenizer":
            loss, tokens = self.tokenizer(batch.images)
            self.log_use(tokens, step)
            return loss  # type: ignore[no-any-return]
        labels = self.keep_some(self.labels_of(batch), step.generator)
        return self.token_loss(self.tokenizer.tokens(batch.images), labels, step)

    def token_loss(self, tokens: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Return the mean cross-entropy of tokens [N, T] of images with labels [N], which may be "any class"."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of tokens")

    def draw_tokens(self, labels: Tensor, generator: torch.Generator, given: Given = None) -> Tensor:
        """Draw tokens [N, T] of images with labels [N]; of ``given`` tokens [N, T] those that are known stay."""
        raise NotImplementedError(f"{type(self).__name__} draws no tokens")

    def log_use(self, tokens: Tensor, step: Step) -> None:
        """Log how many codes a batch uses, as if alike."""
        step.log(perplexity=perplexity(tokens, self.tokenizer.quantiser.codes))

    def labels_of(self, batch: Batch) -> Tensor:
        """Return a batch's labels [N]; "any class" where the data has none."""
        if batch.labels is None or not self.transformer.classes:
            return self.transformer.any_class(len(batch))
        return batch.labels

    def keep_some(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return labels [N], some at random replaced by "any class"."""
        left_out = torch.rand(labels.shape, generator=generator, device=labels.device) < self.options.label_dropout
        return torch.where(left_out, self.transformer.classes, labels)

    def after_step(self, step: Step) -> None:
        """Move a codebook of averages, while the tokenizer is trained."""
        if step.stage == 0:
            self.tokenizer.quantiser.update(step)

    @torch.no_grad()
    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Before the first stage, set a codebook to vectors of training images, or take another run's tokenizer."""
        if stage == 0 and self.options.tokenizer:
            borrow(self.tokenizer, self.options.tokenizer)
        elif stage == 0:
            chosen = torch.randint(len(train_data), (2048,), generator=step.generator, device=self.device)
            images = train_data.images(chosen.cpu().numpy()).to(self.device)
            vectors = self.tokenizer.vectors(self.tokenizer.likelihood.observe(images)).flatten(0, -2)
            order = torch.randperm(len(vectors), generator=step.generator, device=self.device)
            self.tokenizer.quantiser.initialise(vectors[order])

    def train(self, mode: bool = True) -> TokenModel:
        """Set the mode of training or evaluation; another run's tokenizer stays in evaluation."""
        super().train(mode)
        if self.options.tokenizer:
            self.tokenizer.eval()
        return self

    def tokens(self, images: Tensor) -> Tensor:
        """Return the tokens [N, T] of images, row by row."""
        return self.tokenizer.tokens(images)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the expected images of the images' tokens."""
        return self.tokenizer.images(self.tokens(images))

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images: the decoder's means at drawn tokens. ``condition``: labels [n], drawn if left out."""
        return self.draw_images(self.draw_tokens, n, generator, condition)

    def draw_images(
        self,
        tokens: Callable[[Tensor, torch.Generator], Tensor],
        n: int,
        generator: torch.Generator,
        condition: Tensor | None,
    ) -> Tensor:
        """Return ``n`` images of what ``tokens`` draws for labels."""
        labels = self.draw_labels(n, generator) if condition is None else condition
        if not self.transformer.classes:
            labels = self.transformer.any_class(n)
        drawn = [self.tokenizer.images(tokens(part, generator)) for part in labels.split(self.drawn_at_once)]
        return torch.cat(drawn) if drawn else torch.empty(0, *self.data.shape, device=self.device)

    @torch.no_grad()
    def complete(
        self, images: Tensor, known: Tensor, *, generator: torch.Generator, condition: Tensor | None = None
    ) -> Tensor:
        """Return images whose unknown pixels are drawn; ``known``: bool [N, 1, H, W], True where pixels stay.

        A token is known only where all pixels that it depends on are. ``condition``: labels [N]; any class if left out.
        Raises UsageError for a hole that the model can't fill.
        """
        anyone = self.transformer.any_class(len(images))
        labels = anyone if condition is None or not self.transformer.classes else condition
        tokens, kept = self.tokens(images), self.tokenizer.known(known)
        parts = zip(*(rows.split(self.drawn_at_once) for rows in (labels, tokens, kept)), strict=True)
        filled = torch.cat([self.draw_tokens(part, generator, (own, stays)) for part, own, stays in parts])
        return torch.where(known, images, self.tokenizer.images(filled))

    def draw_labels(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw labels [n] with the classes' frequencies in the training data; "any class" where it has none."""
        if not self.transformer.classes:
            return self.transformer.any_class(n)
        frequencies = torch.tensor(self.data.class_frequencies, device=self.device)
        return torch.multinomial(frequencies, n, replacement=True, generator=generator)

    @property
    def drawn_at_once(self) -> int:
        """How many images' caches fit ``CACHE_BYTES``, with both halves of guidance."""
        return max(1, CACHE_BYTES // (2 * self.transformer.cache_bytes(self.transformer.slots)))


def decayed(module: nn.Module) -> list[dict[str, object]]:
    """Return a module's parameters in two groups: matrices with a weight decay of .05, and the others with none."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


def warm_cosine(step: Step) -> float:
    """Return the factor on the learning rate: from .1 to 1 in 2 % of the stage, then along a cosine to .01."""
    warm = min(1.0, 0.1 + 0.9 * step.stage_progress / 0.02)
    return warm * (0.505 + 0.495 * math.cos(math.pi * step.stage_progress))
