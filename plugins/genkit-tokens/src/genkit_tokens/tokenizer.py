"""Tokenizers: a convolutional autoencoder with a quantiser between its halves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, Len
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, silu

from genkit.models import DataInfo
from genkit.models.layers import Crop, Size, halvings
from genkit.models.likelihoods import Bernoulli, DiscretizedLogistic, Likelihood
from genkit.models.precision import full_precision, promoted
from genkit_tokens.quantisers import FSQ, VQ, Quantiser

if TYPE_CHECKING:
    from genkit.data import Split

PIXELS_AT_ONCE = 1 << 21
"""Most pixels of images that are encoded at once before the first step."""


@dataclass
class TokenizerOptions:
    """Options of the tokenizer, for the options of a token model to inherit.

    ``quantiser``: "fsq" rounds each number of a vector to levels, "vq" takes the nearest vector of a codebook.
    ``levels``: with fsq, of each number of a vector; ``codes``: with vq, vectors in the codebook; ``size``: with vq,
    numbers in a vector; ``commitment``: with vq, weight of the commitment loss. ``likelihood``: of grey levels
    ("logistic") or binary pixels ("bernoulli"); ``binarisation``: how grey pixels are made binary for the latter.
    ``channels``: of the convolutions at full resolution; ``tokenizer_rate``: learning rate of the tokenizer.
    ``halvings``: how often images are halved on their way to the grid of tokens; 0: once or twice, by their size.
    """

    quantiser: Literal["fsq", "vq"] = "fsq"
    levels: Annotated[tuple[Annotated[int, Ge(3), Le(1000)], ...], Len(1)] = (8, 6, 5)
    codes: Annotated[int, Ge(2)] = 256
    size: Annotated[int, Ge(1)] = 8
    commitment: Annotated[float, Ge(0)] = 0.25
    likelihood: Literal["logistic", "bernoulli"] = "logistic"
    binarisation: Literal["dynamic", "static"] = "dynamic"
    channels: Annotated[int, Ge(1)] = 24
    halvings: Annotated[int, Ge(0), Le(5)] = 0
    tokenizer_rate: Annotated[float, Gt(0)] = 2e-3


class Tokenizer(nn.Module):
    """Images [N, C, H, W] <-> tokens [N, rows * columns]: strided convolutions, a quantiser, and their mirror image.

    The encoder sees each token's neighbourhood alone: its batch norm, which spreads the vectors over the codes, is
    constant in evaluation, so a token depends on no pixel outside its receptive field.
    """

    def __init__(self, options: TokenizerOptions, data: DataInfo) -> None:
        super().__init__()
        count = options.halvings or halvings(*data.shape[1:], most=2)[0]
        self.pixels: Size = data.shape[1:]
        height, width = self.pixels
        self.grid: Size = (math.ceil(height / 2**count), math.ceil(width / 2**count))
        self.likelihood = likelihood_of(options, data)
        self.quantiser: Quantiser = self.make_quantiser(options)
        quantiser = self.quantiser
        width, deep = options.channels, options.channels << count
        layers: list[nn.Module] = [nn.Conv2d(data.shape[0], width, 3, padding=1), nn.SiLU()]
        for i in range(count):
            layers += [nn.Conv2d(width << i, width << (i + 1), 3, 2, 1), nn.SiLU()]
        layers += [nn.Conv2d(deep, quantiser.size, 1), nn.BatchNorm2d(quantiser.size, affine=False)]
        self.encoder = nn.Sequential(*layers)
        layers = [nn.Conv2d(quantiser.size, deep, 3, padding=1), Residual(deep), Residual(deep), nn.SiLU()]
        for i in reversed(range(count)):
            layers += [nn.ConvTranspose2d(width << (i + 1), width << i, 4, 2, 1), nn.SiLU()]
        layers += [nn.Conv2d(width, data.shape[0] * self.likelihood.parameters, 3, padding=1), Crop(*data.shape[1:])]
        self.decoder = nn.Sequential(*layers)

    def make_quantiser(self, options: TokenizerOptions) -> Quantiser:
        """Return the quantiser that the options name."""
        if options.quantiser == "fsq":
            return FSQ(options.levels)
        return VQ(options.codes, options.size, options.commitment)

    @property
    def length(self) -> int:
        """The number of tokens of an image."""
        return self.grid[0] * self.grid[1]

    def vectors(self, images: Tensor) -> Tensor:
        """Return the encoder's vectors [N, rows, columns, size] of observed images, before quantisation."""
        return promoted(self.encoder(images)).movedim(1, -1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss per pixel, a scalar, and the tokens [N, rows * columns] of images.

        The distortion of grey images under binary pixels is the expectation over their binarisation.
        """
        observed = self.likelihood.observe(images)
        vectors = self.vectors(observed)
        with full_precision(images.device):
            quantised, tokens, extra = self.quantiser(vectors)
        params = self.params(quantised)
        with full_precision(images.device):
            distortion = self.likelihood.distortion(params, observed).mean() / observed[0].numel()
            return distortion + extra, tokens.flatten(1)

    @torch.no_grad()
    def begin(self, train_data: Split, generator: torch.Generator) -> None:
        """Set a codebook to vectors of training images, before the first step."""
        if not self.quantiser.begins_with_vectors:
            return
        device = generator.device
        chosen = torch.randint(len(train_data), (2048,), generator=generator, device=device).cpu()
        parts = chosen.split(max(1, PIXELS_AT_ONCE // math.prod(self.pixels)))
        images = (train_data.images(part.numpy()).to(device) for part in parts)
        vectors = torch.cat([self.vectors(self.likelihood.observe(part)).flatten(0, -2) for part in images])
        order = torch.randperm(len(vectors), generator=generator, device=device)
        self.quantiser.initialise(vectors[order])

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """Return the tokens [N, rows * columns] of images, in float32 also under autocast."""
        with full_precision(images.device):
            tokens: Tensor = self.quantiser(self.vectors(self.likelihood.observe(images)))[1]
        return tokens.flatten(1)

    def params(self, quantised: Tensor) -> Tensor:
        """Return the likelihood's parameters of quantised vectors [N, rows, columns, size], in at least float32."""
        return promoted(self.decoder(quantised.movedim(-1, 1)))

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the likelihood's parameters [N, parameters * C, H, W] of tokens [N, rows * columns]."""
        return self.params(self.quantiser.lookup(tokens.unflatten(1, self.grid)))

    def images(self, tokens: Tensor) -> Tensor:
        """Return the expected images in [0, 1] of tokens [N, rows * columns]."""
        return self.likelihood.mean(self.decode(tokens)).clamp(0, 1)

    def known(self, known: Tensor) -> Tensor:
        """Return which tokens [N, rows * columns] see known pixels alone, given bool [N, 1, H, W]."""
        unknown = (~known).float()
        for layer in self.encoder:
            if isinstance(layer, nn.Conv2d):
                unknown = max_pool2d(unknown, layer.kernel_size, layer.stride, layer.padding)  # type: ignore[arg-type]
        return (unknown == 0).flatten(1)


class Residual(nn.Module):
    """x + convolutions of x, which keep its shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [N, channels, H, W]."""
        hidden: Tensor = self.second(silu(self.first(silu(inputs))))
        return inputs + hidden


def likelihood_of(options: TokenizerOptions, data: DataInfo) -> Likelihood:
    """Return the likelihood that the options name."""
    return Bernoulli(options.binarisation) if options.likelihood == "bernoulli" else DiscretizedLogistic(data.levels)


def perplexity(tokens: Tensor, codes: int) -> Tensor:
    """Return exp of the entropy of the codes' frequencies: the number of codes, if all are used alike."""
    frequencies: Tensor = torch.bincount(tokens.flatten(), minlength=codes).float() / tokens.numel()
    entropy: Tensor = torch.special.entr(frequencies).sum()
    return entropy.exp()
