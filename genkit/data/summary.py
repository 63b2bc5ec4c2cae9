"""What a data set was understood as, in one line."""

from __future__ import annotations

import numpy as np

from genkit.data.dataset import DataInfo, ImageDataset
from genkit.data.grammar import ClassCaptions

LISTED = 10
"""Classes that are listed; of more, the first few."""


def describe_data(data: ImageDataset) -> str:
    """Return a line such as ``300 images 32x32 RGB, 2 classes: cross 83, disc 217; train 246, test 54``.

    The size is height x width; the number after a class counts all its images. Captions are counted if they are not
    those of a class. Classes without training images are
    named, as no model learns them, and classes of a single image, as none is left to test them.
    """
    at_most = "" if data.train.sizes is None else "up to "
    parts = [_images(len(data.train) + len(data.test), data.info(), at_most=at_most)]
    counts = class_counts(data)
    classes = list(zip(data.classes, counts["train"], counts["test"], strict=True))
    if classes:
        parts[0] += f", {_classes([f'{name} {train + test:,}' for name, train, test in classes])}"
    own = [split.captions for split in (data.train, data.test) if not isinstance(split.captions, ClassCaptions)]
    captions = sum(len(texts) for each in own for texts in each or ())
    if captions:
        parts[0] += f", {captions:,} captions"
    parts.append(f"train {len(data.train):,}, test {len(data.test):,}")
    if data.generated:
        parts.append(f"{data.generated:,} generated, as their metadata say")
    if empty := [name for name, train, _ in classes if not train]:
        parts.append(f"no training images of {_listed(empty)}")
    if single := [name for name, train, test in classes if (train, test) == (1, 0)]:
        parts.append(f"a single image, in train, of {_listed(single)}")
    return "; ".join(parts)


def describe_info(info: DataInfo) -> str:
    """Return what a model was told about its data in the same way, for a run that did not record the line."""
    classes = ""
    if info.num_classes:
        names = info.class_names or tuple(map(str, range(info.num_classes)))
        classes = f", {_classes(list(names))}"
    return f"{_images(info.num_train, info, 'training images')}{classes}"


def class_counts(data: ImageDataset) -> dict[str, list[int]]:
    """Return the images of each class in the splits "train" and "test"; empty lists for data without labels."""
    count = len(data.classes)
    return {
        split.name: [] if split.labels is None or not count else np.bincount(split.labels, minlength=count).tolist()
        for split in (data.train, data.test)
    }


def _images(count: int, info: DataInfo, what: str = "images", *, at_most: str = "") -> str:
    channels, height, width = info.shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"with {channels} channels")
    levels = "" if info.levels == 256 else f" of {info.levels} levels"
    return f"{count:,} {what if count != 1 else what.removesuffix('s')} {at_most}{height}x{width} {colour}{levels}"


def _classes(names: list[str]) -> str:
    return f"{len(names)} {'class' if len(names) == 1 else 'classes'}: {_listed(names)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names if len(names) <= LISTED else [*names[: LISTED - 1], "..."])
