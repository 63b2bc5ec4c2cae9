"""Checks and quantisation of images; PNG grids and GIFs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.errors import PluginError
from genkit.files.writing import write_atomic
from genkit.results.origin import Origin, stamped

ROUNDING = 1e-3
"""How far a model's images may exceed [0, 1] by rounding: a quarter of a level."""


def well_formed(images: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """Return a model's images if they are float32 [N, C, H, W] of the shape that is due; raises PluginError otherwise.

    ``what`` names them, such as "samples of DCGAN".
    """
    if not isinstance(images, Tensor):
        raise PluginError(f"{what} are {type(images).__name__}, not a tensor: a model returns float32 images")
    found = tuple(images.shape)
    if len(found) == 4 and found[1:] == shape[1:] and len(images) != shape[0]:
        raise PluginError(
            f"{what} are {len(images)} where {shape[0]} were asked for: a model returns as many as it is asked for"
        )
    if found != shape:
        due, given = ("x".join(map(str, each)) for each in (shape, found))
        raise PluginError(
            f"{what} have the shape {given} where {due} is due (images x channels x height x width): a model returns "
            "images of its data's shape"
        )
    if images.dtype != torch.float32:
        kind = str(images.dtype).removeprefix("torch.")
        raise PluginError(f"{what} are {kind}: a model returns float32 images in [0, 1], whatever type it uses inside")
    return images


def in_range(images: Tensor, what: str) -> Tensor:
    """Return a model's images clipped to [0, 1], which they may exceed only by rounding.

    Raises PluginError, which names ``what``, for values that are not finite or further outside: clipping another range
    would hide the error and could even improve a score.
    """
    low, high = (each.item() for each in images.detach().aminmax())  # both are NaN where a value is
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PluginError(f"{what} hold values that are not finite: the weights diverged, or the model has a bug")
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise PluginError(
            f"{what} have values from {low:.4g} to {high:.4g}, outside [0, 1]: a model returns images in [0, 1], "
            "whatever range it uses inside"
        )
    return images.clamp(0, 1)


def quantize(images: Tensor) -> Tensor:
    """Return float images [N, C, H, W] in [0, 1] as uint8, 255x rounded half to even, clipped."""
    return torch.round(images.detach().float() * 255).clamp_(0, 255).to(torch.uint8)


def truncate(images: Tensor) -> Tensor:
    """Return float images in [0, 1] as uint8, 255x truncated as in torchmetrics: half a level too dark on average."""
    return images.detach().float().mul(255).clamp_(0, 255).to(torch.uint8)


def grid(images: NDArray[np.uint8], columns: int, *, width: int = 640) -> NDArray[np.uint8]:
    """Lay uint8 images [N, C, H, W] out in rows, enlarged by a whole factor to about ``width`` pixels: [H', W', C]."""
    n, c, h, w = images.shape
    scale, gap = _enlarged(columns, w, width)
    height, full = grid_size(n, columns, (h, w), width=width)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    h, w = h * scale, w * scale
    sheet = np.full((height, full, c), 255, np.uint8)
    for index, image in enumerate(images):
        top = gap + (index // columns) * (h + gap)
        left = gap + (index % columns) * (w + gap)
        sheet[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return sheet


def grid_size(count: int, columns: int, size: tuple[int, int], *, width: int = 640) -> tuple[int, int]:
    """Return the height and width of the ``grid`` of so many images of a size (height, width)."""
    (h, w), (scale, gap) = size, _enlarged(columns, size[1], width)
    return -(-count // columns) * (h * scale + gap) + gap, columns * (w * scale + gap) + gap


def _enlarged(columns: int, w: int, width: int) -> tuple[int, int]:
    """Return the factor by which images in a grid are enlarged, and the gap between them."""
    scale = max(1, width // (columns * (w + 1)))
    return scale, min(8, max(2, scale // 2))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode [H, W], [H, W, 1] or [H, W, 3] uint8 pixels as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    squeezed: Any = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    Image.fromarray(squeezed).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def save_gif(frames: Sequence[NDArray[np.uint8]], path: Path, *, milliseconds: int = 80) -> None:
    """Write uint8 frames [H, W, C] as a looping GIF that plays forwards and backwards, atomically."""
    from PIL import Image

    forwards = [Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in frames]
    buffer = io.BytesIO()
    forwards[0].save(
        buffer, "GIF", save_all=True, append_images=forwards[1:] + forwards[-2:0:-1], duration=milliseconds, loop=0
    )
    write_atomic(path, buffer.getvalue())


def save_grid(images: Tensor, path: Path, *, columns: int = 10, origin: Origin | None = None) -> None:
    """Write float images [N, C, H, W] in [0, 1] as one PNG that says where it is from, if known; atomically."""
    write_atomic(path, stamped(png(grid(quantize(images).cpu().numpy(), columns)), origin))
