"""The one way in which images are asked of a model: what it draws, reconstructs, completes or decodes is checked.

All functions run the model in eval mode, without gradients, and raise PluginError, which names it, for anything but
float32 images [n, C, H, W] in [0, 1], as many and of the shape that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genkit.data.images import in_range, well_formed
from genkit.errors import PluginError, UsageError
from genkit.models.base import GenerativeModel
from genkit.models.conditions import Condition
from genkit.models.memory import freed_memory_kept


def drawn(
    model: GenerativeModel, n: int, *, generator: torch.Generator, condition: Tensor | Condition | None = None
) -> Tensor:
    """Return ``n`` samples; ``condition`` has their classes [n], or what their prompts say."""
    with torch.no_grad(), freed_memory_kept(model.device):
        images = model.eval().sample(n, generator=generator, condition=condition)
    return _checked(model, images, (n, *model.data.shape), "samples")


def understood(model: GenerativeModel, prompts: Sequence[str]) -> Condition:
    """Return what prompts say to a model; raises UsageError for one that reads none, PluginError for a broken one."""
    if getattr(model, "understand", None) is None:
        raise UsageError(
            f"{type(model).__name__} follows no prompts: leave them out, or train a model that does with -o text=bytes"
        )
    with torch.no_grad():
        condition = _method(model, "understand")(prompts)
    if not isinstance(condition, Condition) or len(condition) != len(prompts):
        raise PluginError(f"{type(model).__name__} makes no Condition of each of {len(prompts)} prompts")
    return condition


def reconstructed(model: GenerativeModel, images: Tensor) -> Tensor:
    """Return the reconstructions of images [n, C, H, W], on the model's device."""
    with torch.no_grad(), freed_memory_kept(model.device):
        again = _method(model, "reconstruct")(images.to(model.device))
    return _checked(model, again, tuple(images.shape), "reconstructions")


def completed(
    model: GenerativeModel,
    images: Tensor,
    known: Tensor,
    *,
    generator: torch.Generator,
    condition: Tensor | Condition | None = None,
) -> Tensor:
    """Return images [n, C, H, W] completed where ``known``, bool [n, 1, H, W], is False, on the model's device."""
    with torch.no_grad():
        whole = _method(model, "complete")(images, known, generator=generator, condition=condition)
    return _checked(model, whole, tuple(images.shape), "completions")


def decoded(model: GenerativeModel, latent: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return the images of latents [n, ...]; ``condition`` has their classes [n]."""
    with torch.no_grad():
        images = _method(model, "decode")(latent, *([] if condition is None else [condition]))
    return _checked(model, images, (len(latent), *model.data.shape), "images")


def _method(model: GenerativeModel, name: str) -> Any:
    return getattr(model.eval(), name)


def _checked(model: GenerativeModel, images: Any, shape: tuple[int, ...], what: str) -> Tensor:
    what = f"{what} of {type(model).__name__}"
    return in_range(well_formed(images, shape, what), what)
