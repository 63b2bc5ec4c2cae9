"""maskgit: a transformer that fills in masked tokens, the surest ones first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import cross_entropy

from genkit.models import DataInfo, Step
from genkit_tokens.codes import CodeEmbedding, CodeHead
from genkit_tokens.positions import grid_coordinates
from genkit_tokens.prefix import Given, Prefix
from genkit_tokens.presets import presets
from genkit_tokens.sampling import Guidance, TokenSampling, draw, probabilities
from genkit_tokens.token_model import TokenModel, TokenOptions
from genkit_tokens.tokenizer import Tokenizer
from genkit_tokens.transformer import Transformer


@dataclass
class MaskGITSampling(TokenSampling):
    """``steps``: passes of the transformer; ``noise``: of the choice of tokens that stay, fading with the steps."""

    steps: Annotated[int, Ge(1)] = 8
    noise: Annotated[float, Ge(0)] = 4.5


class MaskGIT(TokenModel):
    """Masked tokens given the others and the class, a share of arccos(u) / (pi / 2) of them masked (arXiv:2202.04200).

    The transformer minimises - sum log p(z_t | z_known, c) over the masked places t, averaged over them.

    At every step of drawing all masked tokens are drawn, and the surest stay, by the logarithm of their probability
    plus fading Gumbel noise. There is no probability of the tokens, so no bound on the log-likelihood.
    """

    Sampling = MaskGITSampling
    sampling: MaskGITSampling
    presets = presets(
        mnist={"levels": [5, 5, 5]},
        default={"levels": [8, 8, 8]},
        gpu={"levels": [8, 5, 5, 5]},
        digits_sampling={"guidance": 1.25},  # the least FID to training images
    )

    def __init__(self, options: TokenOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.tokenizer = Tokenizer(options, data)
        quantiser = self.tokenizer.quantiser
        self.mask = quantiser.codes  # one more than the last code
        embedding = CodeEmbedding(quantiser, options.width, masked=True)
        places = grid_coordinates(*self.tokenizer.grid)
        self.transformer = Transformer(options, embedding, places, CodeHead(quantiser, options.width), self.labels)

    def token_loss(self, tokens: Tensor, prefix: Prefix, step: Step) -> Tensor:
        """Return the mean cross-entropy of the masked tokens."""
        masked = self.draw_mask(len(tokens), tokens.shape[1], step.generator)
        logits = self.logits_of(tokens.masked_fill(masked, self.mask), prefix)
        return cross_entropy(logits[masked].float(), tokens[masked])

    def draw_mask(self, n: int, length: int, generator: torch.Generator) -> Tensor:
        """Draw which tokens [n, length] of each image are masked: at least one."""
        u = torch.rand(n, 1, generator=generator, device=generator.device)
        count = (masked_share(u) * length).ceil().clamp_min(1)
        order = torch.rand(n, length, generator=generator, device=generator.device).argsort(1).argsort(1)
        return order < count

    def logits_of(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Return the logits [N, T, codes] of tokens [N, T], some of them ``mask``; each sees all others."""
        contents = torch.cat([self.transformer.first(prefix), self.transformer.embedding(tokens)], 1)
        return self.transformer.whole(prefix, contents)[:, 1:]

    def draw_tokens(self, prefix: Prefix, generator: torch.Generator, given: Given = None) -> Tensor:
        """Draw tokens [N, T], at least one more of each image at every step."""
        shape, sampling = (len(prefix), self.tokenizer.length), self.sampling
        guidance = Guidance(prefix, self.transformer.classes, sampling.guidance)
        if given is None:
            tokens = torch.full(shape, self.mask, device=self.device)
        else:
            tokens = given[0].masked_fill(~given[1], self.mask)
        left = wanted = (tokens == self.mask).sum(1, keepdim=True)
        for step in range(sampling.steps):
            if not bool(left.any()):
                break
            share = (step + 1) / sampling.steps
            logits = guidance.guide(self.logits_of(guidance.double(tokens), guidance.prefix))
            probability = probabilities(logits, sampling)
            drawn = draw(probability, generator)
            noise = -torch.empty(shape, device=self.device).exponential_(generator=generator).log()
            # The noise is on the confidence alone: the tokens themselves are drawn from the model.
            sure = probability.gather(-1, drawn[..., None]).squeeze(-1).log() + sampling.noise * (1 - share) * noise
            masked = tokens == self.mask
            left = torch.minimum((masked_share(share) * wanted).floor().long(), left - 1).clamp_min(0)
            rank = sure.masked_fill(~masked, math.inf).argsort(1, descending=True).argsort(1)
            tokens = torch.where(masked & (rank < shape[1] - left), drawn, tokens)
        return tokens


def masked_share(u: Tensor | float) -> Tensor:
    """Return arccos(u) / (pi / 2): 1 at 0, 0 at 1."""
    return torch.arccos(torch.as_tensor(u)) / (math.pi / 2)
