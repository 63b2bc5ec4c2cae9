"""What every feature extractor is: uint8 images in, features and perhaps class logits out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from genkit.errors import UsageError


@dataclass(frozen=True)
class FeatureRequest:
    """What an extractor is asked for: its name, a weights file if the user gave one, and the device to run on."""

    name: str
    weights: Path | None = None
    device: str = "cpu"


class Extracted(NamedTuple):
    """Float32 features [N, d] and logits [N, k] or None, on the CPU."""

    features: Tensor
    logits: Tensor | None


class Extractor:
    """Base of feature extractors. A subclass defines ``forward``, ``choices`` and ``accepts``.

    ``sha256`` is of the weights file, ``dim`` the width of the features, ``has_logits`` whether there are class
    logits. ``module`` is kept in eval mode without gradients; images go through it ``batch`` at a time, whatever
    number the caller brings.
    """

    batch: ClassVar[int] = 256
    has_logits: bool = True

    def __init__(self, name: str, sha256: str, dim: int, module: nn.Module, device: str = "cpu") -> None:
        self.name = name
        self.sha256 = sha256
        self.dim = dim
        self.device = torch.device(device)
        self.module = module.to(self.device).eval().requires_grad_(False)

    def choices(self) -> dict[str, str]:
        """Return what moves the features besides the weights: resize, normalisation, dtype, layer."""
        raise NotImplementedError

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError if images of shape (C, H, W) can't be seen."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features and logits of one batch, uint8 [n, C, H, W], on the extractor's device."""
        raise NotImplementedError

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Extracted:
        """Extract from uint8 images [N, C, H, W] in 0 .. 255; raises UsageError for anything else."""
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise UsageError(f"{self.name} sees uint8 images [N, C, H, W], not {images.dtype} {list(images.shape)}")
        self.accepts(tuple(images.shape[1:]))
        if not len(images):
            raise UsageError(f"{self.name} was given no images")
        features: list[Tensor] = []
        logits: list[Tensor] = []
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, torch.autocast(self.device.type, enabled=False):
            for start in range(0, len(images), self.batch):
                found, scores = self.forward(images[start : start + self.batch].to(self.device))
                features.append(found.float().cpu())
                if scores is not None:
                    logits.append(scores.float().cpu())
        return Extracted(torch.cat(features), torch.cat(logits) if logits else None)
