"""Tokens of several scales: a residual quantiser with one codebook, from coarse to fine (arXiv:2404.02905)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genkit.models import DataInfo, Step
from genkit.models.codebook import AverageCodebook
from genkit.models.layers import Size
from genkit_tokens.quantisers import Quantiser, some_of
from genkit_tokens.tokenizer import Tokenizer, TokenizerOptions


class ScaleQuantiser(Quantiser):
    """A grid of vectors as a sum over scales: each scale quantises what those before it left.

    What is left is averaged over areas down to a scale's size, quantised, brought to full size by bicubic interpolation
    as h, and phi(h) = .5 h + .5 conv(h) is added to the sum. The loss, averaged over scales, pulls the encoder to the
    sums with the weight ``commitment``, and trains phi to meet the encoder's vectors.
    """

    begins_with_vectors = True

    def __init__(self, codes: int, size: int, commitment: float, sizes: list[Size]) -> None:
        super().__init__()
        self.codes, self.size, self.commitment, self.sizes = codes, size, commitment, sizes
        self.codebook = AverageCodebook(codes, size)
        self.refine = nn.ModuleList(nn.Conv2d(size, size, 3, padding=1) for _ in sizes)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sums [N, rows, columns, size] with the straight-through gradient, tokens [N, T], and the loss."""
        wanted = vectors.movedim(-1, 1)
        total, tokens, loss = torch.zeros_like(wanted), [], vectors.new_zeros(())
        for scale in range(len(self.sizes)):
            found = self.nearest((wanted - total).detach(), scale)
            tokens.append(found.flatten(1))
            total = total + self.part(found, scale)
            loss = loss + self.commitment * (wanted - total.detach()).square().mean()
            loss = loss + (total - wanted.detach()).square().mean()
        through = wanted + (total - wanted).detach()
        return through.movedim(1, -1), torch.cat(tokens, 1), loss / len(self.sizes)

    def nearest(self, left: Tensor, scale: int) -> Tensor:
        """Return the tokens [N, rows, columns] of a scale for what is left [N, size, H, W]; record them in training."""
        small = interpolate(left, self.sizes[scale], mode="area").movedim(1, -1)
        tokens: Tensor = self.codebook.nearest(small)
        if self.training:
            self.codebook.record(small, tokens)
        return tokens

    def part(self, tokens: Tensor, scale: int) -> Tensor:
        """Return what the tokens [N, rows, columns] of a scale add to the sum [N, size, H, W]."""
        vectors: Tensor = self.codebook(tokens).movedim(-1, 1)
        if self.sizes[scale] != self.sizes[-1]:
            vectors = interpolate(vectors, self.sizes[-1], mode="bicubic")
        refined: Tensor = self.refine[scale](vectors)
        return 0.5 * vectors + 0.5 * refined

    def split(self, tokens: Tensor) -> list[Tensor]:
        """Return the tokens [N, rows, columns] of each scale, given those of all [N, T]."""
        parts = tokens.split([rows * columns for rows, columns in self.sizes], 1)
        return [part.unflatten(1, size) for part, size in zip(parts, self.sizes, strict=True)]

    def sums(self, tokens: Tensor) -> list[Tensor]:
        """Return the sums [N, size, H, W] after each scale of tokens [N, T]."""
        total, after = torch.zeros(()), []
        for scale, part in enumerate(self.split(tokens)):
            total = total.to(part.device) + self.part(part, scale)
            after.append(total)
        return after

    def initialise(self, vectors: Tensor) -> None:
        """Set the codebook to some of the vectors [n, size]."""
        self.codebook.initialise(some_of(vectors, self.codes))

    def update(self, step: Step) -> None:
        """Move the averages after a training step."""
        self.codebook.update(step)


class ScaleTokenizer(Tokenizer):
    """A tokenizer whose tokens [N, T] are those of all scales, from the coarsest of one token to the grid."""

    quantiser: ScaleQuantiser

    def __init__(self, options: TokenizerOptions, data: DataInfo, scales: int) -> None:
        self.scales = scales
        super().__init__(options, data)

    def make_quantiser(self, options: TokenizerOptions) -> Quantiser:
        """Return the residual quantiser; its codebook has ``codes`` vectors, whatever ``quantiser`` is."""
        sizes = scale_sizes(self.grid, self.scales)
        return ScaleQuantiser(options.codes, options.size, options.commitment, sizes)

    @property
    def length(self) -> int:
        """The number of tokens of an image, of all scales."""
        return sum(rows * columns for rows, columns in self.quantiser.sizes)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the likelihood's parameters [N, parameters * C, H, W] of tokens [N, T]."""
        return self.params(self.quantiser.sums(tokens)[-1].movedim(1, -1))


def scale_sizes(grid: Size, scales: int) -> list[Size]:
    """Return the sizes of at most so many scales, from 1 x 1 to the grid, each side growing by about one factor."""
    shares = [scale / (scales - 1) for scale in range(scales)]
    sizes = [(max(1, round(grid[0] ** share)), max(1, round(grid[1] ** share))) for share in shares]
    return list(dict.fromkeys(sizes))
