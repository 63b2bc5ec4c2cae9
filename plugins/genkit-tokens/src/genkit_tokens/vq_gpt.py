"""vq-gpt: a transformer that writes an image's tokens row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import cross_entropy

from genkit.errors import UsageError
from genkit.models import DataInfo, Step
from genkit_tokens.codes import CodeEmbedding, CodeHead
from genkit_tokens.jacobi import draw_by_jacobi
from genkit_tokens.normalised import NormalisedTokenModel
from genkit_tokens.positions import causal, grid_coordinates
from genkit_tokens.prefix import Cache, Given, Prefix
from genkit_tokens.presets import presets
from genkit_tokens.sampling import Guidance, TokenSampling, draw, probabilities
from genkit_tokens.token_model import TokenOptions
from genkit_tokens.tokenizer import Tokenizer
from genkit_tokens.transformer import Transformer


@dataclass
class VQGPTSampling(TokenSampling):
    """``jacobi``: so many tokens are drafted at once and verified together, exact in distribution; 0: one by one."""

    jacobi: Annotated[int, Ge(0)] = 0


class VQGPT(NormalisedTokenModel):
    """p(z | c) = prod_t p(z_t | z_<t, c) of the tokens z in raster order, after LlamaGen (arXiv:2406.06525).

    The transformer minimises - sum_t log p(z_t | z_<t, c), averaged over tokens.

    The class or the text is a prefix of the sequence. Drawing keeps the keys and values of all tokens so far in a
    cache; with ``jacobi`` it is speculative Jacobi decoding (arXiv:2410.01699), for small batches.
    """

    Sampling = VQGPTSampling
    sampling: VQGPTSampling
    presets = presets(
        mnist={"levels": [5, 5, 5]},
        default={"levels": [8, 8, 8]},
        gpu={"levels": [8, 5, 5, 5]},
        digits_sampling={"guidance": 1.5},  # the least FID to training images
        mnist_sampling={"guidance": 1.25},  # likewise
        scenes_sampling={
            "guidance": 2.0,
            "temperature": 0.7,
        },  # the highest prompt_accuracy of captions that it learned
    )

    def __init__(self, options: TokenOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.tokenizer = Tokenizer(options, data)
        quantiser = self.tokenizer.quantiser
        places = grid_coordinates(*self.tokenizer.grid)[:-1]  # the last token is never an input
        embedding, head = CodeEmbedding(quantiser, options.width), CodeHead(quantiser, options.width)
        self.transformer = Transformer(options, embedding, places, head, self.labels)

    def token_loss(self, tokens: Tensor, prefix: Prefix, step: Step) -> Tensor:
        """Return the mean cross-entropy of each token given those before it."""
        return cross_entropy(self.logits_of(tokens, prefix).flatten(0, 1).float(), tokens.flatten())

    def logits_of(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Return the logits [N, T, codes] of every token given those before it and the prefix."""
        contents = self.contents(prefix, tokens[:, :-1])
        return self.transformer.whole(prefix, contents, mask=causal(contents.shape[1], contents.device))

    def contents(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        """Return the contents [N, 1 + S, width] of a prefix's slot and of those of tokens [N, S] after it."""
        return torch.cat([self.transformer.first(prefix), self.transformer.embedding(tokens)], 1)

    def draw_tokens(self, prefix: Prefix, generator: torch.Generator, given: Given = None) -> Tensor:
        """Draw tokens [N, T] one after another; both halves of guidance go on with the same token.

        Raises UsageError where a known token comes after one that isn't.
        """
        length, codes = self.tokenizer.length, self.tokenizer.quantiser.codes
        if given is not None and bool((given[1][:, 1:] & ~given[1][:, :-1]).any()):
            raise UsageError(
                "vq-gpt fills a hole only where it comes last, row by row from the top left: use maskgit for this one"
            )
        guidance = Guidance(prefix, self.transformer.classes, self.sampling.guidance)
        if self.sampling.jacobi and given is None:
            window = self.sampling.jacobi
            return draw_by_jacobi(self.transformer, guidance, length, codes, self.sampling, window, generator)
        tokens = torch.empty(len(prefix), length, dtype=torch.int64, device=self.device)
        cache = self.transformer.cache(guidance.prefix, length, Cache)
        contents = self.transformer.first(guidance.prefix)
        for place in range(length):
            logits = guidance.guide(self.transformer(contents, place, cache)[:, -1])
            drawn = draw(probabilities(logits, self.sampling), generator)
            tokens[:, place] = drawn if given is None else torch.where(given[1][:, place], given[0][:, place], drawn)
            contents = guidance.double(self.transformer.embedding(tokens[:, place, None]))
        return tokens
