"""What is known of a data set: the line of what was understood, and its splits, values, captions and origin."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data.dataset import ImageDataset
from genkit.data.open import PATH, open_images
from genkit.data.summary import class_counts, describe_data
from genkit.errors import GenkitError, one_line

_ROWS = 1024


@dataclass(frozen=True)
class DatasetFacts:
    """A data set in plain values; ``line`` says what was understood, as everywhere.

    ``origin`` is the path of its files, or what the data set is; ``splits`` counts the images of "train" and "test",
    which are the source's own with ``own_splits``, else divided by content. ``classes`` counts each class's images by
    split. ``shape`` is (C, H, W), ``values`` the lowest and highest of the ``levels`` that occur.
    ``captions`` counts them; ``examples`` are two of each of the first three training images. ``generated`` counts the
    images whose metadata say that a model made them, ``generated_by`` lists what says so. ``left_out`` names the
    skipped files with the reason, ``notes`` say how it was read.
    """

    name: str
    line: str
    origin: str
    sha256: str
    shape: tuple[int, int, int]
    levels: int
    values: tuple[int, int]
    splits: dict[str, int]
    own_splits: bool
    classes: dict[str, dict[str, int]]
    captions: int
    examples: tuple[str, ...]
    generated: int
    generated_by: str
    skipped: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return one_line(f"{self.name}: {self.line}")


def describe_dataset(
    dataset: ImageDataset | Path | str, *, progress: Callable[[int, int], None] | None = None, **opening: Any
) -> DatasetFacts:
    """Return what is known of a data set, by name or path, opened with the arguments of ``open_images``, or opened.

    Its pixels are read once more for the range of its values. Raises as ``open_images``.
    """
    data = dataset if isinstance(dataset, ImageDataset) else open_images(str(dataset), progress=progress, **opening)
    counts = class_counts(data)
    pixels, low, high = data.everything().pixels, 255, 0
    for start in range(0, len(pixels), _ROWS):
        chunk = pixels[start : start + _ROWS]  # of images that are kept encoded they are decoded here
        low, high = min(low, int(chunk.min())), max(high, int(chunk.max()))
    return DatasetFacts(
        name=data.name,
        line=describe_data(data),
        origin=_origin(data.name),
        sha256=data.sha256,
        shape=data.info().shape,
        levels=data.levels,
        values=(low, high),
        splits={"train": len(data.train), "test": len(data.test)},
        own_splits=data.own_splits,
        classes={name: {split: counts[split][place] for split in counts} for place, name in enumerate(data.classes)},
        captions=sum(len(texts) for split in (data.train, data.test) for texts in split.captions or ()),
        examples=tuple(text for texts in itertools.islice(data.train.captions or (), 3) for text in texts[:2]),
        generated=data.generated,
        generated_by=data.generated_by,
        skipped=data.skipped,
        left_out=data.left_out,
        notes=data.notes,
    )


def _origin(reference: str) -> str:
    """Return the path in a reference, or what its data set says of itself."""
    from genkit.registry.discovery import registry

    try:
        spec, argument = registry().dataset(reference)
    except GenkitError:
        return reference  # such as images in memory
    return argument if spec.argument == PATH else spec.summary or reference
