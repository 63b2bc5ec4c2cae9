"""var: a transformer that predicts all tokens of the next scale at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from genkit.models import DataInfo, Step
from genkit_tokens.normalised import NormalisedTokenModel
from genkit_tokens.prefix import Cache, Given, Prefix
from genkit_tokens.presets import presets
from genkit_tokens.sampling import Guidance, TokenSampling, draw, probabilities
from genkit_tokens.scales import ScaleTokenizer
from genkit_tokens.token_model import TokenOptions
from genkit_tokens.tokenizer import perplexity
from genkit_tokens.transformer import Transformer


@dataclass
class VAROptions(TokenOptions):
    """``scales``: from one token to the whole grid; ``codes``, ``size``: of the codebook that all scales share."""

    scales: Annotated[int, Ge(2)] = 5


@dataclass
class VARSampling(TokenSampling):
    """``guidance_ramp``: guidance rises from 1 at the first scale to ``guidance`` at the last."""

    guidance_ramp: bool = False


class VAR(NormalisedTokenModel):
    """p(z | c) = prod_k p(z_k | z_<k, c) of the tokens z_k of a scale, all at once (arXiv:2404.02905).

    The transformer minimises - sum_k log p(z_k | z_<k, c), averaged over the tokens of each scale, then over scales.

    The input of a scale is the sum of those before it, averaged over areas down to the scale's size.
    """

    Options = VAROptions
    Sampling = VARSampling
    options: VAROptions
    sampling: VARSampling
    tokenizer: ScaleTokenizer
    complete = None  # type: ignore[assignment]
    presets = presets(
        mnist={},
        default={"codes": 512},
        gpu={"codes": 2048},
        mnist_images=400_000,
        digits_sampling={"guidance": 2},  # the least FID to training images
        mnist_sampling={"guidance": 1.5},  # likewise
    )

    def __init__(self, options: VAROptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.tokenizer = ScaleTokenizer(options, data, options.scales)
        places = scale_coordinates(self.tokenizer.quantiser.sizes)
        embedding = nn.Linear(options.size, options.width, bias=False)
        head = nn.Linear(options.width, options.codes, bias=False)
        self.transformer = Transformer(options, embedding, places, head, self.labels)

    def log_use(self, tokens: Tensor, step: Step) -> None:
        """Log how many codes a batch uses at each scale, as if alike: a collapse shows at the coarse ones first."""
        for scale, part in enumerate(self.tokenizer.quantiser.split(tokens)):
            step.log(**{f"perplexity_{scale + 1}": perplexity(part, self.options.codes)})

    def token_loss(self, tokens: Tensor, prefix: Prefix, step: Step) -> Tensor:
        """Return the mean over scales of the mean cross-entropy of a scale's tokens."""
        logits = self.logits_of(tokens, prefix)
        lengths = [rows * columns for rows, columns in self.tokenizer.quantiser.sizes]
        parts = zip(logits.split(lengths, 1), tokens.split(lengths, 1), strict=True)
        each = [cross_entropy(part.flatten(0, 1).float(), own.flatten()) for part, own in parts]
        return torch.stack(each).mean()

    def logits_of(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Return the logits [N, T, codes] of all tokens given those of the scales before theirs, and the prefix."""
        quantiser = self.tokenizer.quantiser
        with torch.no_grad():
            sums = quantiser.sums(tokens)
        inputs = [self.contents(total, scale + 1) for scale, total in enumerate(sums[:-1])]
        contents = torch.cat([self.transformer.first(prefix), *inputs], 1)
        scale = torch.cat([torch.full((rows * columns,), k) for k, (rows, columns) in enumerate(quantiser.sizes)])
        mask = (scale[:, None] >= scale).to(contents.device)
        return self.transformer.whole(prefix, contents, mask=mask)

    def contents(self, total: Tensor, scale: int) -> Tensor:
        """Return the contents [N, rows * columns, width] of a scale's slots, given the sum [N, size, H, W]."""
        small = interpolate(total, self.tokenizer.quantiser.sizes[scale], mode="area")
        contents: Tensor = self.transformer.embedding(small.flatten(2).mT)
        return contents

    def draw_tokens(self, prefix: Prefix, generator: torch.Generator, given: Given = None) -> Tensor:
        """Draw tokens [N, T] scale by scale."""
        quantiser, sampling = self.tokenizer.quantiser, self.sampling
        guidance = Guidance(prefix, self.transformer.classes, *(scale for _, scale in self.draw_order()))
        cache = self.transformer.cache(guidance.prefix, self.transformer.slots, Cache)
        contents = self.transformer.first(guidance.prefix)
        total, tokens = torch.zeros((), device=self.device), []
        last = len(quantiser.sizes) - 1
        for scale, size in enumerate(quantiser.sizes):
            guidance.scale = self.guidance_at(scale)
            logits = guidance.guide(self.transformer(contents, cache.length, cache))
            tokens.append(draw(probabilities(logits, sampling), generator))
            if scale < last:
                total = total + quantiser.part(tokens[-1].unflatten(1, size), scale)
                contents = guidance.double(self.contents(total, scale + 1))
        return torch.cat(tokens, 1)

    def draw_order(self) -> Iterator[tuple[slice, float]]:
        """Yield the tokens of each scale, and its guidance."""
        start = 0
        for scale, (rows, columns) in enumerate(self.tokenizer.quantiser.sizes):
            yield slice(start, start + rows * columns), self.guidance_at(scale)
            start += rows * columns

    def guidance_at(self, scale: int) -> float:
        """Return the guidance of a scale: the same for all, or rising from 1."""
        last = len(self.tokenizer.quantiser.sizes) - 1
        share = scale / last if self.sampling.guidance_ramp and last else 1.0
        return 1 + (self.sampling.guidance - 1) * share


def scale_coordinates(sizes: list[tuple[int, int]]) -> Tensor:
    """Return the row and column [T, 2] of every token on the last scale's grid: the centre of its area."""
    places = []
    for rows, columns in sizes:
        row = (torch.arange(rows) + 0.5) * sizes[-1][0] / rows - 0.5
        column = (torch.arange(columns) + 0.5) * sizes[-1][1] / columns - 0.5
        places.append(torch.cartesian_prod(row, column).reshape(-1, 2))
    return torch.cat(places)
