"""The base of token models: the two stages, labels, drawing and completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from genkit.models import Batch, Condition, DataInfo, GenerativeModel, Phase, Step
from genkit.models.text import TextOptions, reader_of
from genkit_tokens.borrowed import borrow, with_hash
from genkit_tokens.optimisation import decayed, warm_cosine
from genkit_tokens.prefix import Given, Prefix
from genkit_tokens.sampling import TokenSampling
from genkit_tokens.tokenizer import Tokenizer, TokenizerOptions, perplexity
from genkit_tokens.transformer import Transformer, TransformerOptions

if TYPE_CHECKING:
    from genkit.data import Split

CACHE_BYTES = 1 << 28
"""Memory of the keys and values of images that are drawn at once."""


@dataclass
class TokenOptions(TransformerOptions, TokenizerOptions, TextOptions):
    """Options of a token model.

    ``tokenizer``: a run whose tokenizer is used, with the same options; the first stage is then skipped. The hash of
    its weights is added to the name.
    """

    tokenizer: str = ""

    def __post_init__(self) -> None:
        TransformerOptions.__post_init__(self)
        TextOptions.__post_init__(self)
        self.tokenizer = with_hash(self.tokenizer)


class TokenModel(GenerativeModel):
    """Base of token models: the tokenizer is trained first, then the transformer on its tokens.

    A subclass sets ``tokenizer`` and ``transformer`` and defines ``token_loss`` and ``draw_tokens``. Images are
    tokenised anew at every step. With an option ``text`` the transformer follows captions, and not classes.
    """

    Options = TokenOptions
    Sampling = TokenSampling
    stages = 2
    stage_shares = (1.0, 3.0)
    ema: ClassVar[tuple[str, ...]] = ("tokenizer", "transformer")
    adapts = ("transformer.blocks", "reader")  # so that a new word is told from those that it looks like
    conditional: ClassVar[bool] = True
    options: TokenOptions
    sampling: TokenSampling
    tokenizer: Tokenizer
    transformer: Transformer

    def __init__(self, options: TokenOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.reader = reader_of(self, options.text, options.width)

    @property
    def labels(self) -> int:
        """The labels that a prefix may have, but for "anything": the classes, or one for all texts."""
        return self.data.num_classes if self.reader is None else 1

    @property
    def follows_classes(self) -> bool:
        """Whether labels are classes."""
        return self.reader is None and self.data.num_classes > 0

    def phases(self) -> list[Phase]:
        """Return the tokenizer's phase, then the transformer's: AdamW, warm-up, and cosine over the stage's images."""
        options = self.options
        first = torch.optim.AdamW(self.tokenizer.parameters(), options.tokenizer_rate, (0.9, 0.99), weight_decay=0.0)
        trained = self.transformer if self.reader is None else nn.ModuleList([self.transformer, self.reader])
        second = torch.optim.AdamW(decayed(trained), options.learning_rate, (0.9, 0.95))
        phases = [
            Phase("tokenizer", self.tokenizer, first, stage=0, clip=1.0, schedule=warm_cosine),
            Phase("transformer", trained, second, stage=1, clip=1.0, schedule=warm_cosine),
        ]
        return phases[1:] if options.tokenizer else phases

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the tokenizer's loss, or the cross-entropy of the tokens in nats a token."""
        if phase == "tokenizer":
            loss, tokens = self.tokenizer(batch.images)
            self.log_use(tokens, step)
            return loss  # type: ignore[no-any-return]
        prefix = self.prefix_of(batch)
        left_out = torch.rand(len(prefix), generator=step.generator, device=self.device) < self.options.label_dropout
        prefix = prefix.without(left_out, self.transformer.classes)
        return self.token_loss(self.tokenizer.tokens(batch.images), prefix, step)

    def token_loss(self, tokens: Tensor, prefix: Prefix, step: Step) -> Tensor:
        """Return the mean cross-entropy of tokens [N, T] of images with a prefix, which may be "anything"."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of tokens")

    def draw_tokens(self, prefix: Prefix, generator: torch.Generator, given: Given = None) -> Tensor:
        """Draw tokens [N, T] of images with a prefix; of ``given`` tokens [N, T] those that are known stay."""
        raise NotImplementedError(f"{type(self).__name__} draws no tokens")

    def log_use(self, tokens: Tensor, step: Step) -> None:
        """Log how many codes a batch uses, as if alike."""
        step.log(perplexity=perplexity(tokens, self.tokenizer.quantiser.codes))

    def prefix_of(self, batch: Batch) -> Prefix:
        """Return what a batch's images are: their captions or classes, "anything" where the data has none."""
        if self.reader is not None:
            return self.prefix(len(batch), self.reader(batch.prompts or [""] * len(batch)))
        return self.prefix(len(batch), batch.labels)

    @torch.no_grad()
    def understand(self, prompts: Sequence[str]) -> Condition:
        """Return what N prompts ask for, to draw with; a prompt without a word asks for anything."""
        assert self.reader is not None
        return self.reader(prompts)  # type: ignore[no-any-return]

    def prefix(self, n: int, condition: Tensor | Condition | None) -> Prefix:
        """Return the prefix of labels [n] or of the condition of prompts; a prompt without a word asks for anything."""
        if isinstance(condition, Condition):
            return Prefix(torch.where(condition.mask.any(1), 0, self.transformer.classes), condition)
        labels = condition if self.follows_classes else None
        return self.transformer.anything(n) if labels is None else Prefix(labels)

    def after_step(self, step: Step) -> None:
        """Move a codebook of averages, while the tokenizer is trained."""
        if step.stage == 0:
            self.tokenizer.quantiser.update(step)

    @torch.no_grad()
    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Before the first stage, set a codebook to vectors of training images, or take another run's tokenizer."""
        if stage == 0 and self.options.tokenizer:
            borrow(self, self.options.tokenizer)
        elif stage == 0:
            self.tokenizer.begin(train_data, step.generator)

    def train(self, mode: bool = True) -> TokenModel:
        """Set the mode of training or evaluation; another run's tokenizer stays in evaluation."""
        super().train(mode)
        if self.options.tokenizer:
            self.tokenizer.eval()
        return self

    def tokens(self, images: Tensor) -> Tensor:
        """Return the tokens [N, T] of images."""
        return self.tokenizer.tokens(images)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the expected images of the images' tokens."""
        return self.tokenizer.images(self.tokens(images))

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | Condition | None = None) -> Tensor:
        """Draw ``n`` images: the decoder's means at drawn tokens.

        ``condition``: labels [n], drawn if left out, or what prompts say; without it a model of prompts draws anything.
        """
        return self.draw_images(self.draw_tokens, n, generator, condition)

    def draw_images(
        self,
        tokens: Callable[[Prefix, torch.Generator], Tensor],
        n: int,
        generator: torch.Generator,
        condition: Tensor | Condition | None,
    ) -> Tensor:
        """Return ``n`` images of what ``tokens`` draws for a prefix."""
        if condition is None and self.follows_classes:
            frequencies = torch.tensor(self.data.class_frequencies, device=self.device)
            condition = torch.multinomial(frequencies, n, replacement=True, generator=generator) if n else None
        parts = self.prefix(n, condition).split(self.drawn_at_once(condition))
        return torch.cat([self.tokenizer.images(tokens(part, generator)) for part in parts])

    @torch.no_grad()
    def complete(
        self, images: Tensor, known: Tensor, *, generator: torch.Generator, condition: Tensor | Condition | None = None
    ) -> Tensor:
        """Return images whose unknown pixels are drawn; ``known``: bool [N, 1, H, W], True where pixels stay.

        A token is known only where all pixels that it depends on are. ``condition``: labels [N], or what prompts say;
        anything if left out. Raises UsageError for a hole that the model can't fill.
        """
        prefix, rows = self.prefix(len(images), condition), self.drawn_at_once(condition)
        tokens, kept = self.tokens(images), self.tokenizer.known(known)
        parts = zip(prefix.split(rows), tokens.split(rows), kept.split(rows), strict=True)
        filled = torch.cat([self.draw_tokens(part, generator, (own, stays)) for part, own, stays in parts])
        return torch.where(known, images, self.tokenizer.images(filled))

    def drawn_at_once(self, condition: Tensor | Condition | None) -> int:
        """Return how many images' caches fit ``CACHE_BYTES``, with both halves of guidance."""
        text = condition.mask.shape[1] if isinstance(condition, Condition) else 0
        return max(1, CACHE_BYTES // (2 * self.transformer.cache_bytes(text + self.transformer.slots)))
