"""Image data sets: opened by name, packed once, read through a memory map.

What is named here is imported when it is first used: processes that only read image files need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genkit.data.dataset import ImageDataset, Split
    from genkit.data.facts import describe_dataset
    from genkit.data.open import open_dataset, open_images

_HOMES = {
    "ImageDataset": "dataset",
    "Split": "dataset",
    "describe_dataset": "facts",
    "open_dataset": "open",
    "open_images": "open",
}

__all__ = ["ImageDataset", "Split", "describe_dataset", "open_dataset", "open_images"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"genkit.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'genkit.data' has no attribute {name!r}")
