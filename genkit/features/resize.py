"""How the reference implementations resize images to the network's input: four rules that give four FIDs.

Each takes images [N, C, H, W] in 0 .. 255 and returns float32 [N, C, size, size] in the same range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def tensorflow1(images: Tensor, size: int) -> Tensor:
    """TensorFlow 1's bilinear, whose grids share the first pixel's corner: torch-fidelity, bit for bit."""
    return _along(_along(images.float(), 3, size), 2, size)


def _along(images: Tensor, axis: int, size: int) -> Tensor:
    length = images.shape[axis]
    scale = torch.tensor(length / size, dtype=torch.float32)
    positions = torch.arange(size, dtype=torch.float32, device=images.device) * scale
    low = positions.long()
    high = (low + 1).clamp_max(length - 1)
    part = (positions - low).view([-1 if dim == axis else 1 for dim in range(4)])
    below, above = images.index_select(axis, low), images.index_select(axis, high)
    return below + (above - below) * part


def bilinear(images: Tensor, size: int) -> Tensor:
    """Bilinear with aligned pixel centres, without antialiasing: pytorch-fid and dgm-eval."""
    return F.interpolate(images.float(), (size, size), mode="bilinear", align_corners=False)


def bilinear_antialias(images: Tensor, size: int) -> Tensor:
    """Bilinear with aligned pixel centres and antialiasing: torchmetrics."""
    return F.interpolate(images.float(), (size, size), mode="bilinear", align_corners=False, antialias=True)


def pil_bicubic(images: Tensor, size: int) -> Tensor:
    """Pillow's antialiased bicubic on float, channel by channel, clipped to 0 .. 255: clean-fid."""
    from PIL import Image

    planes = images.float().flatten(0, 1).cpu().numpy()
    resized = [np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC)) for plane in planes]
    stacked = torch.from_numpy(np.stack(resized).clip(0, 255)).to(images.device)
    return stacked.view(*images.shape[:2], size, size)


RESIZES: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "tf1": tensorflow1,
    "bilinear": bilinear,
    "bilinear-antialias": bilinear_antialias,
    "pil-bicubic": pil_bicubic,
}
