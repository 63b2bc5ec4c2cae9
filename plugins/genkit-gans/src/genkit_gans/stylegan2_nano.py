"""StyleGAN2-nano: mapping network, modulated convolutions, noise; lazy R1 and path length regularisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from genkit.models import GAN, Batch, DataInfo, Phase, Preset, Step
from genkit.models.gan import to_signed, to_unit
from genkit.models.layers import Crop
from genkit.models.losses import r1_penalty
from genkit.models.precision import full_precision
from genkit_gans.blocks import Residual
from genkit_gans.networks import ConvOptions, Shape, halvings, padded, widths
from genkit_gans.style import BatchDeviation, EqualConv, EqualLinear, Leaky, ModulatedConv, Styled, UnitLength

R1_EVERY, PATH_EVERY = 16, 4
PATH_SHARE, PATH_DECAY = 2, 0.01
"""Path lengths are computed for half of each batch; their moving average has decay 0.99."""


@dataclass
class StyleGAN2NanoOptions(ConvOptions):
    """``r1``: weight gamma, in gamma/2 |grad D|^2; ``path_length``: weight lambda of the path length regularisation."""

    latent: Annotated[int, Ge(1)] = 128
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    r1: Annotated[float, Ge(0)] = 0.1
    path_length: Annotated[float, Ge(0)] = 2.0


class StyleGAN2Nano(GAN):
    """StyleGAN2 (arXiv:1912.04958), small.

    D minimises softplus(-D(x)) + softplus(D(G(z))) + gamma/2 |grad D(x)|^2, G minimises softplus(-D(G(z))) +
    lambda (|J^T y| - a)^2. R1 is applied every 16th step, path length regularisation every 4th. The moving average's
    half-life is 500,000 images, reached by a ramp: the CIFAR-10 setting of arXiv:2006.06676. Filters are bilinear, and
    there is no style mixing.
    """

    Options = StyleGAN2NanoOptions
    betas = (0.0, 0.99)
    ema_half_life = 500_000
    presets = {
        "digits": Preset(images=200_000, batch=32, options={"width": 32, "latent": 64, "learning_rate": 1e-2}),
        "mnist": Preset(images=200_000, batch=32, options={"width": 16, "latent": 64, "learning_rate": 1e-2}),
        "default": Preset(images=200_000, batch=32, options={"width": 16, "latent": 64, "learning_rate": 1e-2}),
        "gpu": Preset(images=25_000_000, batch=64, options={"width": 64, "augment": "ada"}),
    }
    options: StyleGAN2NanoOptions
    generator: StyleGenerator
    path_mean: Tensor

    def __init__(self, options: StyleGAN2NanoOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = StyleGenerator(options.latent, options.width, data.shape)
        self.discriminator = style_discriminator(options.width, data.shape)
        self.register_buffer("path_mean", torch.zeros(()))

    def phases(self) -> list[Phase]:
        """Return the phases of both networks, each followed by its lazy regularisation, which shares the optimiser."""
        opt_d = self.optimizer(self.discriminator, rate=self.d_learning_rate, lazy=R1_EVERY * self.d_steps)
        opt_g = self.optimizer(self.generator, lazy=PATH_EVERY)
        return [
            Phase("discriminator", self.discriminator, opt_d, repeats=self.d_steps),
            Phase("r1", self.discriminator, opt_d, every=R1_EVERY),
            Phase("generator", self.generator, opt_g),
            Phase("path_length", self.generator, opt_g, every=PATH_EVERY),
        ]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of one of the four phases."""
        if phase == "r1":
            return self.r1_loss(batch, step)
        if phase == "path_length":
            return self.path_length_loss(batch, step)
        return super().loss(phase, batch, step)

    def r1_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return gamma/2 times the R1 penalty (arXiv:1801.04406)."""
        penalty = r1_penalty(lambda images: self.discriminate(step.augment(images)), to_signed(batch.images))
        step.log(r1_penalty=penalty)
        return 0.5 * self.options.r1 * penalty

    def path_length_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return lambda times the mean of (|J_w^T y| - a)^2, y noise images, a the moving average (equation 4)."""
        n = max(1, len(batch) // PATH_SHARE)
        with full_precision(self.device):
            w = self.generator.mapping(self.draw_latent(n, generator=step.generator))
            images = self.generator.synthesis(w, step.generator)
            y = torch.randn(images.shape, generator=step.generator, device=images.device)
            y = y / math.sqrt(images.shape[2] * images.shape[3])
            (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
            lengths = torch.linalg.vector_norm(gradient, dim=1)
            count = step.sum(lengths.new_tensor(n))
            mean = self.path_mean.lerp(step.sum(lengths.detach().sum()) / count, PATH_DECAY)
        self.path_mean.copy_(mean)
        step.log(path_length=lengths.mean())
        penalty: Tensor = (lengths - mean).square().mean()
        return self.options.path_length * penalty

    def generate(self, n: int, labels: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
        """Return images [n, C, H, W] of new latents and new noise; outside training their styles are truncated."""
        styles = self.generator.mapping(self.draw_latent(n, generator=generator))
        if not self.training and self.sampling.truncation != 1:
            styles = self._mean_style().lerp(styles, self.sampling.truncation)
        images: Tensor = self.generator.synthesis(styles, generator)
        return images.float()

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent] from N(0, 1); their scale has no effect here, as the mapping normalises them."""
        return torch.randn(n, self.latent, generator=generator, device=self.device)

    def _mean_style(self) -> Tensor:
        """Return the mean style [1, latent], of 4,096 latents that are always the same (arXiv:1812.04948, B)."""
        generator = torch.Generator(self.device).manual_seed(0)
        latents = torch.randn(4096, self.latent, generator=generator, device=self.device)
        mean: Tensor = self.generator.mapping(latents).mean(0, keepdim=True)
        return mean

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the generator's images in [0, 1] of latents, with fixed noise."""
        return to_unit(self.generator(latent))


class StyleGenerator(nn.Module):
    """Latents [N, latent] -> images [N, C, H, W], roughly in [-1, 1]; noise is drawn with a generator, or fixed."""

    def __init__(self, latent: int, width: int, shape: Shape) -> None:
        super().__init__()
        self.mapping = nn.Sequential(
            UnitLength(),
            EqualLinear(latent, latent, rate=0.01),
            Leaky(),
            EqualLinear(latent, latent, rate=0.01),
            Leaky(),
        )
        self.synthesis = Synthesis(latent, width, shape)

    def forward(self, latent: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return images."""
        images: Tensor = self.synthesis(self.mapping(latent), generator)
        return images


class Synthesis(nn.Module):
    """Styles [N, style] -> images: a learned constant, and layers whose image outputs are summed (figure 7)."""

    def __init__(self, style: int, width: int, shape: Shape) -> None:
        super().__init__()
        count, rows, columns = halvings(*shape[1:])
        channels = widths(width, count)
        sizes = [(rows << i, columns << i) for i in range(count + 1)]
        self.constant = nn.Parameter(torch.randn(1, channels[0], rows, columns))
        self.first = Styled(channels[0], channels[0], style, sizes[0])
        steps = list(zip(pairwise(channels), sizes[1:], strict=True))
        self.widening = nn.ModuleList(Styled(i, o, style, size) for (i, o), size in steps)
        self.layers = nn.ModuleList(Styled(o, o, style, size) for (_, o), size in steps)
        self.images = nn.ModuleList(ModulatedConv(c, shape[0], style, kernel=1) for c in channels)
        self.bias = nn.Parameter(torch.zeros(shape[0], 1, 1))
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear")
        self.crop = Crop(*shape[1:])

    def forward(self, w: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return images [N, C, H, W]."""
        x = self.first(self.constant.expand(len(w), -1, -1, -1), w, generator)
        image = self.images[0](x, w)
        for widen, layer, to_image in zip(self.widening, self.layers, self.images[1:], strict=True):
            x = layer(widen(self.enlarge(x), w, generator), w, generator)
            image = self.enlarge(image) + to_image(x, w)
        result: Tensor = self.crop(image + self.bias)
        return result


class Halving(Residual):
    """A residual block of the discriminator that halves height and width and preserves the variance."""

    def __init__(self, i: int, o: int) -> None:
        branch = nn.Sequential(EqualConv(i, i), Leaky(), EqualConv(i, o), nn.AvgPool2d(2), Leaky())
        super().__init__(branch, nn.Sequential(nn.AvgPool2d(2), EqualConv(i, o, kernel=1, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, o, H / 2, W / 2]."""
        return super().forward(x) * math.sqrt(0.5)


def style_discriminator(width: int, shape: Shape) -> nn.Sequential:
    """Return images [N, C, H, W] -> logits [N]: residual, with the batch's standard deviation at the end (figure 7)."""
    count, rows, columns = halvings(*shape[1:])
    channels = widths(width, count)[::-1]
    last = channels[-1]
    return nn.Sequential(
        padded(*shape[1:]),
        EqualConv(shape[0], width, kernel=1),
        Leaky(),
        *(Halving(i, o) for i, o in pairwise(channels)),
        BatchDeviation(),
        EqualConv(last + 1, last),
        Leaky(),
        nn.Flatten(),
        EqualLinear(last * rows * columns, last),
        Leaky(),
        EqualLinear(last, 1),
        nn.Flatten(0),
    )
