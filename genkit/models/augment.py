"""Augmentation of the images that a discriminator sees, called in a loss as ``step.augment(images)``.

An augmentation is a submodule of its model, so adaptive state is in the checkpoint. Images, real and generated, are
float32 [N, C, H, W] in [-1, 1]; augmented ones may leave that range. All augmentations are twice differentiable, for
the generator's gradient and for gradient penalties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

ADA_INTERVAL = 4
"""Batches between two updates of ADA's probability."""

Choice = Literal["none", "flip", "diffaugment", "ada"]
"""Names of the augmentations, as options take them."""


class Augmentation(nn.Module):
    """No augmentation; the base of all others."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented images [N, C, H, W]; all random draws use the generator."""
        return images

    def observe(self, margins: Tensor, total: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Take the discriminator's margins [N] of real images, positive where it is right; return scalars to log.

        ``total`` sums a tensor over all training processes.
        """
        return {}


class Flip(Augmentation):
    """Mirrors each image left to right with probability 1/2."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images, about half of them mirrored."""
        return torch.where(_uniform(images, generator) < 0.5, images.flip(3), images)


class DiffAugment(Augmentation):
    """Changes colours, shifts by up to 1/8 and cuts out half of each side (arXiv:2006.10738, section 4)."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images, each with all three transforms; pixels shifted in or cut out are 0, a middle grey."""
        images = images + _uniform(images, generator) - 0.5
        images = saturate(images, 2 * _uniform(images, generator))
        mean = images.mean((1, 2, 3), keepdim=True)
        images = (images - mean) * (_uniform(images, generator) + 0.5) + mean
        return _cut_out(_shift(images, generator), generator)


class AdaptiveAugmentation(Augmentation):
    """ADA: flips, geometry and colour, each with a probability ``p`` that follows overfitting (arXiv:2006.06676).

    r_t is the mean sign of the discriminator's margins on real images over four batches. ``p`` rises when r_t is above
    ``target`` and falls otherwise, at most from 0 to 1 in ``images`` real images (section 3). Transforms and strengths
    are the paper's "bgc" (appendix B), with bilinear resampling instead of wavelets.
    """

    p: Tensor
    seen: Tensor
    batches: Tensor

    def __init__(self, images: int = 500_000, target: float = 0.6) -> None:
        super().__init__()
        self.images = images
        self.target = target
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images, each transform applied to each image with probability ``p``."""
        return self._recolour(resample(images, *self._sources(images, generator)), generator)

    @torch.no_grad()
    def observe(self, margins: Tensor, total: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Count signs; every fourth batch, change ``p`` in proportion to the number of images since the last change."""
        # Summed over processes at once, so that the state in the checkpoint is the same in all of them.
        self.seen += total(torch.stack([margins.sign().sum(), margins.new_tensor(len(margins))]))
        self.batches += 1
        if int(self.batches) % ADA_INTERVAL == 0:
            signs, count = self.seen
            self.p += (signs / count - self.target).sign() * count / self.images
            self.p.clamp_(0, 1)
            self.seen.zero_()
        return {"ada_p": self.p.clone()}

    def _sources(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the source position of each output pixel: x and y [N, 1, H, W], in pixels from the image's centre."""

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * _uniform(images, generator)

        def normal(scale: float) -> Tensor:
            return scale * _normal(images, generator)

        def sometimes(value: Tensor, neutral: float, p: Tensor = self.p) -> Tensor:
            return torch.where(_uniform(images, generator) < p, value, neutral)

        height, width = images.shape[2:]
        x, y = _centred(width, images)[None, None, None, :], _centred(height, images)[None, None, :, None]
        rotation_p = 1 - (1 - self.p).sqrt()  # of each of two rotations, so that p is that of at least one
        drift = _uniform(images, generator) < self.p
        x = x + width * torch.where(drift, normal(0.125), 0)
        y = y + height * torch.where(drift, normal(0.125), 0)
        x, y = _rotate(x, y, sometimes(uniform(-math.pi, math.pi), 0, rotation_p))
        stretch = sometimes(normal(0.2).exp2(), 1)
        x, y = _rotate(x / stretch, y * stretch, sometimes(uniform(-math.pi, math.pi), 0, rotation_p))
        scale = sometimes(normal(0.2).exp2(), 1)
        shift = _uniform(images, generator) < self.p
        x = x / scale + torch.where(shift, (width * uniform(-0.125, 0.125)).round(), 0)
        y = y / scale + torch.where(shift, (height * uniform(-0.125, 0.125)).round(), 0)
        quarters = sometimes(uniform(0, 4).floor(), 0)
        # Without cosines: cos(pi / 2) is not 0 in floating point, which would mix pixels.
        x, y = torch.where(quarters % 2 == 0, x, -y), torch.where(quarters % 2 == 0, y, x)
        side = torch.where(quarters < 2, 1, -1)
        mirror = 1 - 2 * sometimes(uniform(0, 2).floor(), 0)
        return x * side * mirror, y * side

    def _recolour(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change brightness and contrast, invert luma, and with three channels change hue and saturation."""

        def sometimes(value: Tensor, neutral: float) -> Tensor:
            return torch.where(_uniform(images, generator) < self.p, value, neutral)

        images = images + sometimes(0.2 * _normal(images, generator), 0)
        images = images * sometimes((0.5 * _normal(images, generator)).exp2(), 1)
        images = images - images.mean(1, keepdim=True) * sometimes(2 * (2 * _uniform(images, generator)).floor(), 0)
        if images.shape[1] != 3:
            return images
        images = turn_hue(images, sometimes((2 * _uniform(images, generator) - 1) * math.pi, 0))
        return saturate(images, sometimes(_normal(images, generator).exp2(), 1))


def augmentation(name: Choice, ada_images: int = 500_000) -> Augmentation:
    """Return a new augmentation by name; ADA's ``p`` rises from 0 to 1 in ``ada_images`` images at the fastest."""
    if name == "ada":
        return AdaptiveAugmentation(ada_images)
    return {"none": Augmentation, "flip": Flip, "diffaugment": DiffAugment}[name]()


def resample(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return images [N, C, H, W] sampled bilinearly at x and y [N, 1, H, W], in pixels from the image's centre.

    Images are mirrored at their borders, and whole pixels are read exactly. Written with gathers, since torch's
    grid_sample has no second derivative, which gradient penalties need.
    """
    channels, height, width = images.shape[1:]
    x, y = x + (width - 1) / 2, y + (height - 1) / 2
    left, top = x.floor(), y.floor()
    pixels = images.flatten(2)
    result = torch.zeros_like(images)
    for row, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_share in ((left, 1 - (x - left)), (left + 1, x - left)):
            index = _mirrored(row, height) * width + _mirrored(column, width)
            corner = pixels.gather(2, index.flatten(2).expand(-1, channels, -1)).view_as(images)
            result = result + row_share * column_share * corner
    return result


def turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Rotate colours [N, 3, H, W] about the grey axis by angles [N, 1, 1, 1], by Rodrigues' formula."""
    across = (images.roll(1, 1) - images.roll(-1, 1)) / math.sqrt(3)
    grey = images.mean(1, keepdim=True)
    return images * angle.cos() + across * angle.sin() + grey * (1 - angle.cos())


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance of colours [N, C, H, W] from their grey value by factors [N, 1, 1, 1]."""
    return images * factor + images.mean(1, keepdim=True) * (1 - factor)


def _uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a number from [0, 1) for each image: [N, 1, 1, 1]."""
    return torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)


def _normal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a number from N(0, 1) for each image: [N, 1, 1, 1]."""
    return torch.randn(len(images), 1, 1, 1, generator=generator, device=images.device)


def _centred(size: int, images: Tensor) -> Tensor:
    return torch.arange(size, device=images.device) - (size - 1) / 2


def _rotate(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Reflect whole indices into 0 .. size - 1, without repeating the border pixel."""
    period = max(1, 2 * (size - 1))
    folded = index.long().abs() % period
    return torch.minimum(folded, period - folded) if size > 1 else torch.zeros_like(folded)


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by whole pixels, up to 1/8 of each side."""
    n, _, height, width = images.shape
    limits = height // 8, width // 8
    padded = pad(images, (limits[1], limits[1], limits[0], limits[0]))
    image = torch.arange(n, device=images.device)[:, None, None]
    rows, columns = (
        torch.randint(2 * limit + 1, (n, 1), generator=generator, device=images.device)
        + torch.arange(size, device=images.device)
        for limit, size in zip(limits, (height, width), strict=True)
    )
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut_out(images: Tensor, generator: torch.Generator) -> Tensor:
    """Set a rectangle of half of each side, centred anywhere in the image, to 0."""
    n = len(images)
    inside = []
    for size in images.shape[2:]:
        half = size // 2
        middle = torch.randint(size + 1 - half % 2, (n, 1), generator=generator, device=images.device)
        offset = torch.arange(size, device=images.device) - middle + half // 2
        inside.append((offset >= 0) & (offset < half))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0)
