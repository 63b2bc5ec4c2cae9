"""vq-gpt: a transformer that writes an image's tokens row by row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genkit.models import DataInfo, Preset, Step
from genkit_tokens.sampling import Guidance, draw, probabilities
from genkit_tokens.token_model import NormalisedTokenModel, TokenOptions, log_probability
from genkit_tokens.tokenizer import Tokenizer
from genkit_tokens.transformer import Transformer, causal, grid_coordinates


class VQGPT(NormalisedTokenModel):
    """p(z | c) = prod_t p(z_t | z_<t, c) of the tokens z in raster order, after LlamaGen (arXiv:2406.06525).

    The class is a prefix of the sequence. Drawing keeps the keys and values of all tokens so far in a cache.
    """

    presets = {
        "digits": Preset(images=200_000, batch=64, options={"channels": 32, "width": 64, "layers": 4, "dropout": 0.1}),
        "mnist": Preset(images=400_000, batch=64, options={"likelihood": "bernoulli"}),
        "default": Preset(images=300_000, batch=64, options={"levels": [8, 8, 8]}),
        "gpu": Preset(
            images=20_000_000,
            batch=256,
            options={"levels": [8, 5, 5, 5], "channels": 64, "width": 512, "layers": 12, "heads": 8},
        ),
    }

    def __init__(self, options: TokenOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.tokenizer = Tokenizer(options, data)
        codes = self.tokenizer.quantiser.codes
        places = grid_coordinates(*self.tokenizer.grid)[:-1]  # the last token is never an input
        self.transformer = Transformer(options, nn.Embedding(codes, options.width), places, codes, data.num_classes)

    def token_loss(self, tokens: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Return the mean cross-entropy of each token given those before it."""
        return cross_entropy(self.logits_of(tokens, labels).flatten(0, 1).float(), tokens.flatten())

    def logits_of(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits [N, T, codes] of every token given those before it and the label."""
        contents = torch.cat([self.transformer.labels(labels)[:, None], self.embed(tokens[:, :-1])], 1)
        return self.transformer(contents, mask=causal(contents.shape[1], contents.device))  # type: ignore[no-any-return]

    def log_prior(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return log p(tokens | label) [N] in nats."""
        return log_probability(self.logits_of(tokens, labels), tokens)

    def draw_tokens(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw tokens [N, T] one after another; both halves of guidance go on with the same token."""
        length = self.tokenizer.length
        guidance = Guidance(labels, self.transformer.any_class(len(labels)), self.sampling.guidance)
        tokens = torch.empty(len(labels), length, dtype=torch.int64, device=labels.device)
        cache = self.transformer.cache(len(guidance.labels), length)
        contents = self.transformer.labels(guidance.labels)[:, None]
        for place in range(length):
            logits = guidance.guide(self.transformer(contents, place, cache=cache)[:, -1])
            tokens[:, place] = draw(probabilities(logits, self.sampling), generator)
            contents = guidance.double(self.embed(tokens[:, place, None]))
        return tokens

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the contents [N, S, width] of tokens' slots."""
        embedded: Tensor = self.transformer.embedding(tokens)
        return embedded
