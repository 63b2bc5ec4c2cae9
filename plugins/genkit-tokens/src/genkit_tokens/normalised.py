"""The base of token models with a probability of tokens: the bound on the log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genkit.errors import Unmeasurable
from genkit.models import Condition
from genkit.models.precision import full_precision
from genkit_tokens.prefix import Prefix
from genkit_tokens.sampling import Guidance, draw, probabilities
from genkit_tokens.token_model import TokenModel

SCORED_AT_ONCE = 256
"""Most images whose tokens are scored at once."""


class NormalisedTokenModel(TokenModel):
    """Base of token models with a probability p(z | c) of an image's tokens: a subclass defines ``logits_of``.

    It defines ``draw_order`` too, if it draws several tokens at once.
    """

    @property
    def observation(self) -> str:  # type: ignore[override]
        """The kind of log-probability that ``log_likelihood`` bounds."""
        return self.tokenizer.likelihood.name

    @property
    def binarisation(self) -> str:  # type: ignore[override]
        """How images are made binary, or "none"."""
        return self.tokenizer.likelihood.binarisation

    def logits_of(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Return the logits [N, T, codes] of each token given those drawn before it, and the prefix."""
        raise NotImplementedError(f"{type(self).__name__} has no probability of tokens")

    def log_prior(self, tokens: Tensor, prefix: Prefix) -> Tensor:
        """Return log p(tokens | prefix) [N] in nats, of the model itself: without guidance or filters."""
        logits = self.logits_of(tokens, prefix).flatten(0, 1).float()
        return -cross_entropy(logits, tokens.flatten(), reduction="none").view(tokens.shape).sum(1)

    def draw_order(self) -> Iterator[tuple[slice, float]]:
        """Yield which tokens are drawn at once, in turn, and with what guidance; by default one by one."""
        for place in range(self.tokenizer.length):
            yield slice(place, place + 1), self.sampling.guidance

    @torch.no_grad()
    def sample_uncached(
        self, n: int, *, generator: torch.Generator, condition: Tensor | Condition | None = None
    ) -> Tensor:
        """Draw what ``sample`` draws, the whole sequence computed anew at each step."""
        return self.draw_images(self.draw_tokens_uncached, n, generator, condition)

    def draw_tokens_uncached(self, prefix: Prefix, generator: torch.Generator) -> Tensor:
        """Draw tokens [N, T] without a cache: the plain definition of what ``draw_tokens`` does."""
        guidance = Guidance(prefix, self.transformer.classes, *(scale for _, scale in self.draw_order()))
        tokens = torch.zeros(len(prefix), self.tokenizer.length, dtype=torch.int64, device=self.device)
        for places, guidance.scale in self.draw_order():
            logits = guidance.guide(self.logits_of(guidance.double(tokens), guidance.prefix)[:, places])
            tokens[:, places] = draw(probabilities(logits, self.sampling), generator)
        return tokens

    @torch.no_grad()
    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        """Return a lower bound [N] on log p(images) in nats: log p(z) + log p(image | z) at the image's own tokens z.

        p(image) is a sum over all z, so any one z bounds it. Classes are summed out by their frequencies; of a model
        that reads texts it is the probability without one. Tokens are a function of the image: more
        ``importance_samples`` change nothing.
        """
        bounds = []
        likelihood = self.tokenizer.likelihood
        for group in images.split(SCORED_AT_ONCE):
            observed = torch.stack([likelihood.observe(image, generator) for image in group])
            tokens = self.tokens(group)
            with full_precision(images.device):
                log_p = likelihood.log_prob(self.tokenizer.decode(tokens), observed)
                bounds.append(log_p + self.log_mixture(tokens))
        return torch.cat(bounds)

    def log_mixture(self, tokens: Tensor) -> Tensor:
        """Return log p(z) [N] = log sum_c p(c) p(z | c) of tokens [N, T]."""
        if not self.transformer.anything_is_trained and self.reader is not None:
            raise Unmeasurable("p(image) without a text was not trained, with label_dropout=0")
        if not self.follows_classes:
            return self.log_prior(tokens, self.transformer.anything(len(tokens)))
        prefixes = [Prefix(torch.full((len(tokens),), label, device=tokens.device)) for label in range(self.labels)]
        each = [
            math.log(frequency) + self.log_prior(tokens, prefix)
            for prefix, frequency in zip(prefixes, self.data.class_frequencies, strict=True)
            if frequency
        ]
        return torch.logsumexp(torch.stack(each), 0)
