"""The contract of feature extractors: uint8 images in, features and perhaps class logits out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from genkit.errors import UsageError, suggestion
from genkit.features.arithmetic import arithmetic
from genkit.models.precision import full_precision
from genkit.registry.provenance import Code
from genkit.results.protocols import PROTOCOLS

BATCH_PIXELS = 1 << 20
"""Pixels that a batch may have; a batch of larger images is smaller than an extractor's ``batch``."""

Choices = Mapping[str, Sequence[str]]
"""The choices that an extractor offers by name, each with its possible values; the first is the default."""


@dataclass(frozen=True)
class FeatureRequest:
    """The arguments of an extractor: its name, a weights file if the user gave one, and the device to run on.

    ``choices`` change its protocol, e.g. ``{"resize": "bilinear"}``; an extractor gets all that it offers, with the
    defaults filled in.
    """

    name: str
    weights: Path | None = None
    device: str = "cpu"
    choices: Mapping[str, str] = field(default_factory=dict)

    def complete(self, offered: Choices) -> FeatureRequest:
        """Return the request with a value for every choice that is offered: the given one, else the default.

        Raises UsageError for a choice or a value that is not offered.
        """
        for key, value in self.choices.items():
            if key not in offered:
                protocols = ", ".join(name for name, preset in PROTOCOLS.items() if fitting(offered, preset.features))
                listed = ", ".join(offered) or "none"
                hint = f"{suggestion(key, offered)}  (choices: {listed}; protocols that fit: {protocols})"
                raise UsageError(f"{self.name} has no choice {key!r}.{hint}")
            if value not in offered[key]:
                raise UsageError(f"{self.name} has no {key} {value!r}: choose {', '.join(offered[key])}")
        return replace(self, choices={key: self.choices.get(key, values[0]) for key, values in offered.items()})


def fitting(offered: Choices, wanted: Mapping[str, str]) -> bool:
    """Return whether all choices that are wanted are offered."""
    return all(value in offered.get(key, ()) for key, value in wanted.items())


E = TypeVar("E", bound="Extractor")


def offers(**choices: Sequence[str]) -> Callable[[Callable[[FeatureRequest], E]], Callable[[FeatureRequest], E]]:
    """Declare the choices of an extractor's function, which then gets complete requests only.

    The declaration is the one source of what can be chosen: ``offered_by`` reads it. A function without it has no
    choices.
    """

    def decorate(make: Callable[[FeatureRequest], E]) -> Callable[[FeatureRequest], E]:
        @functools.wraps(make)
        def checked(request: FeatureRequest) -> E:
            return make(request.complete(choices))

        checked.choices = choices  # type: ignore[attr-defined]
        return checked

    return decorate


def offered_by(make: object) -> Choices:
    """Return the choices that an extractor's function declares with ``offers``."""
    choices: Choices = getattr(make, "choices", {})
    return choices


class Extracted(NamedTuple):
    """Float32 features [N, d] and logits [N, k] or None, on the CPU."""

    features: Tensor
    logits: Tensor | None


class Extractor:
    """Base of feature extractors. A subclass defines ``forward``, ``choices`` and ``accepts``.

    ``sha256`` is the hash of the weights file, ``dim`` the number of features (0 if it depends on the images' shape),
    ``has_logits`` whether there are class logits. ``module`` is kept in eval mode without gradients and gets ``batch``
    images at a time. ``precision`` is float32, tf32 or bfloat16.
    """

    batch: int = 256
    has_logits: bool = True
    classes: tuple[str, ...] = ()
    """The data set's classes, in the order of the logits; empty if the logits are of other classes."""
    precision: str = "float32"
    code: Code | None = None
    """The code of a plugin's extractor, set when it is loaded by name."""

    def __init__(self, name: str, sha256: str, dim: int, module: nn.Module, device: str = "cpu") -> None:
        self.name = name
        self.sha256 = sha256
        self.dim = dim
        self.device = torch.device(device)
        self.module = module.to(self.device).eval().requires_grad_(False)

    def choices(self) -> dict[str, str]:
        """Return the choices that change the features besides the weights: resize, normalisation, precision, layer."""
        raise NotImplementedError

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError if the extractor does not take images of shape (C, H, W)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features and logits of one batch, uint8 [n, C, H, W], on the extractor's device."""
        raise NotImplementedError

    def each(self, pieces: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield ``forward`` of each batch in order; an extractor may compute several at once."""
        for piece in pieces:
            yield self.forward(piece.to(self.device))

    def _batch_of(self, images: Tensor) -> int:
        """Return how many images of this size make a batch, so that memory does not grow with their size."""
        return max(1, min(self.batch, BATCH_PIXELS // (images.shape[-2] * images.shape[-1])))

    @torch.inference_mode()
    def __call__(self, images: Tensor, tick: Callable[[int], None] = lambda done: None) -> Extracted:
        """Return the features of uint8 images [N, C, H, W] in 0 .. 255; raises UsageError for anything else.

        ``tick`` is called after each batch with the number of images done.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise UsageError(f"{self.name} takes uint8 images [N, C, H, W], not {images.dtype} {list(images.shape)}")
        self.accepts(tuple(images.shape[1:]))
        if not len(images):
            raise UsageError(f"{self.name} was given no images")
        features: list[Tensor] = []
        logits: list[Tensor] = []
        done = 0
        with arithmetic(tf32=self.precision == "tf32"), full_precision(self.device):
            for batch_features, batch_logits in self.each(images.split(self._batch_of(images))):
                features.append(batch_features.float().cpu())
                if batch_logits is not None:
                    logits.append(batch_logits.float().cpu())
                done += len(batch_features)
                tick(done)
        return Extracted(torch.cat(features), torch.cat(logits) if logits else None)


def require_grey_or_colour(name: str, shape: tuple[int, ...]) -> None:
    """Raise UsageError for images without 1 or 3 channels."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UsageError(f"{name} takes grey or colour images (1 or 3 channels), not {list(shape)}")
