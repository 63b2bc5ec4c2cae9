"""How the references bring an image to the network's size: four rules that give four FIDs.

Each takes images [N, C, H, W] of levels 0 .. 255 and returns float32 [N, C, size, size] of the same range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def tensorflow1(images: Tensor, size: int) -> Tensor:
    """Bilinear on TensorFlow 1's grid, whose first pixel stays in its corner: torch-fidelity, bit for bit."""
    return _along(_along(images.float(), 3, size), 2, size)


def _along(images: Tensor, axis: int, size: int) -> Tensor:
    length = images.shape[axis]
    scale = torch.tensor(length / size, dtype=torch.float32)
    places = torch.arange(size, dtype=torch.float32, device=images.device) * scale
    low = places.long()
    high = (low + 1).clamp_max(length - 1)
    part = (places - low).view([-1 if dim == axis else 1 for dim in range(4)])
    below, above = images.index_select(axis, low), images.index_select(axis, high)
    return below + (above - below) * part


def bilinear(images: Tensor, size: int) -> Tensor:
    """Bilinear between pixel centres, without antialiasing: pytorch-fid and dgm-eval."""
    return F.interpolate(images.float(), (size, size), mode="bilinear", align_corners=False)


def bilinear_antialias(images: Tensor, size: int) -> Tensor:
    """Bilinear between pixel centres, averaging over what is shrunk: torchmetrics."""
    return F.interpolate(images.float(), (size, size), mode="bilinear", align_corners=False, antialias=True)


def pil_bicubic(images: Tensor, size: int) -> Tensor:
    """Pillow's antialiased bicubic on float, channel by channel, clipped to 0 .. 255: clean-fid."""
    from PIL import Image

    planes = images.float().flatten(0, 1).cpu().numpy()
    resized = [np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC)) for plane in planes]
    found = torch.from_numpy(np.stack(resized).clip(0, 255)).to(images.device)
    return found.view(*images.shape[:2], size, size)


RESIZES: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "tf1": tensorflow1,
    "bilinear": bilinear,
    "bilinear-antialias": bilinear_antialias,
    "pil-bicubic": pil_bicubic,
}
