"""From a reference such as ``folder:photos`` to a packed data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genkit import paths
from genkit.data.dataset import ImageDataset
from genkit.data.pack import pack_source
from genkit.data.source import Crop, DatasetRequest, Source
from genkit.errors import DataError, GenkitError, MissingError, PluginError, UnknownName

PATH = "PATH"
"""What the argument of a DatasetSpec is called if it is a path."""


@dataclass(frozen=True)
class OpenOptions:
    """How a data set is opened, besides its reference: the arguments of open_dataset, as JSON has them."""

    data_root: str | None = None
    size: int | None = None
    crop: Crop = "center"
    skip_bad: bool = False
    grey: bool = False


def open_dataset(
    reference: str,
    *,
    data_root: Path | None = None,
    size: int | None = None,
    crop: Crop = "center",
    skip_bad: bool = False,
    grey: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Open a data set: ``digits``, ``mnist``, ``folder:PATH``, ``zip:PATH``, ``npz:PATH`` or one of a plugin's.

    The first time it is packed into the cache; later, as long as the files have not changed, nothing is read. A bare
    PATH of a folder, a .zip or a .npz works too, unless a data set has that name; the data set's name has the absolute
    path, so that it is found again from anywhere. ``data_root`` is where downloaded data lies (default
    ``GENKIT_DATA``). ``size`` makes images of folders and zips size x size: their centred square, or the whole image
    stretched with ``crop="none"``; ``grey`` makes colour ones grey. ``skip_bad`` leaves bad files out and counts them
    in ``skipped``. ``progress`` is told images done and images in all. Raises UsageError for a reference, size or grey
    that makes no sense, MissingError for data that is not there, DataError for data that can't be used, or that
    holds no two different images, one to train on and one to test.
    """
    data = _opened(reference, DatasetRequest("", data_root, size, crop, skip_bad, grey), progress)
    if not len(data.test):
        held = f"{len(data.train):,} copies of one image" if len(data.train) > 1 else "a single image"
        raise DataError(f"{data.name} holds {held}: at least 2 different ones are needed, one to train on, one to test")
    return data


def open_images(reference: str, *, progress: Callable[[int, int], None] | None = None, **how: Any) -> ImageDataset:
    """Open images that are only measured: a single one, or copies of one, are a set too, and ``test`` is empty then.

    References, arguments and errors are otherwise those of open_dataset.
    """
    return _opened(reference, DatasetRequest(**how), progress)


def _opened(reference: str, asked: DatasetRequest, progress: Callable[[int, int], None] | None) -> ImageDataset:
    from genkit.registry.discovery import registry

    reference = located(reference)
    spec, argument = registry().dataset(reference)
    request = replace(asked, argument=argument, data_root=asked.data_root or paths.data_root())
    source = spec.load()(request)
    if not isinstance(source, Source):
        raise PluginError(f"dataset {spec.name!r}: {spec.target} returns {type(source).__name__}, not a Source")
    data = dataset_of(source, reference, progress)
    request.expect(reference, *data.info().shape)
    return data


def dataset_of(source: Source, name: str, progress: Callable[[int, int], None] | None = None) -> ImageDataset:
    """Return the packed data set of a source, under a name."""
    opened = pack_source(source, progress)
    packed = opened.packed
    return ImageDataset(
        name,
        packed.sha256,
        packed.train,
        packed.test,
        packed.classes,
        skipped=opened.skipped,
        whole=packed.whole,
        own_splits=opened.own_splits,
    )


def located(reference: str) -> str:
    """Return a reference that means the same from any folder: ``photos`` and ``folder:photos`` have one absolute path.

    Raises UnknownName, MissingError for a bare path that is not there, DataError for one that is no folder, zip or npz.
    """
    from genkit.registry.discovery import registry
    from genkit.registry.specs import DatasetSpec

    try:
        spec, argument = registry().dataset(reference)
    except UnknownName:
        if named := _from_path(reference):
            return named
        if ":" in reference:
            raise
        names = [offer.spec.name for offer in registry().offers(DatasetSpec)]
        here = "  (nor is there a folder, .zip or .npz of that name here; genkit datasets lists the data sets)"
        raise UnknownName("dataset", reference, names, here) from None
    if spec.argument != PATH:
        return reference
    return f"{reference.removesuffix(argument)}{_absolute(argument)}"


def anywhere(reference: str) -> str:
    """Return ``located(reference)``, or the reference as it is if it can't be located."""
    try:
        return located(reference)
    except GenkitError:
        return reference


def _from_path(reference: str) -> str:
    """Return the full reference of a bare path, or an empty string for what is no path."""
    path = _absolute(reference)
    if path.is_dir():
        return f"folder:{path}"
    if path.is_file() and path.suffix.lower() in (".zip", ".npz"):
        return f"{path.suffix.lower()[1:]}:{path}"
    head = reference.partition(":")[0]
    if os.sep not in head and not head.startswith((".", "~")) and not path.is_file():
        return ""
    if path.exists():
        hint = ": save the array with numpy.savez, or images as files" if path.suffix == ".npy" else ""
        raise DataError(f"{path} is no folder, .zip or .npz of images{hint}")
    raise MissingError(f"there is no {path}: check the path")


def _absolute(text: str) -> Path:
    return Path(os.path.expanduser(text)).absolute()
