"""Images that are given as arrays, as a data set."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from genkit.data import ImageDataset, Split, open_images
from genkit.errors import GenkitError, UsageError
from genkit.files.temporaries import Scratch
from genkit.metrics.numerics.arrays import to_numpy

_FORMS = "[N, C, H, W], [N, H, W, C] or [N, H, W], uint8 or float in [0, 1]"


def images_given(images: Any, what: str) -> ImageDataset:
    """Return the data set of an array, tensor or list of images, of such and labels in a tuple, or of a split.

    Images are as in an .npz file: [N, C, H, W], [N, H, W, C] or [N, H, W], uint8 or float in [0, 1]. The data set's
    name is made from the content. Raises UsageError for other types and shapes, DataError for other values; ``what``
    names the images.
    """
    if isinstance(images, ImageDataset):
        return images
    if isinstance(images, Split):
        if images.sizes is not None:
            raise UsageError(f"{what} has images of several sizes: give the data set in place of its split")
        images = images.uint8(slice(None)) if images.labels is None else (images.uint8(slice(None)), images.labels)
    images, labels = images if isinstance(images, tuple) and len(images) == 2 else (images, None)
    arrays = {"images": _stacked(images, what)}
    if labels is not None:
        arrays["labels"] = np.asarray(to_numpy(labels))
    with Scratch() as folder:
        path = folder / "images.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        try:
            data = open_images(f"npz:{path}")
        except GenkitError as error:
            raise type(error)(str(error).replace(f"{path}: ", f"{what}: ").replace(str(path), what)) from error
    return dataclasses.replace(data, name=f"array:{data.sha256[:12]}")


def _stacked(images: Any, what: str) -> Any:
    """Return images as one array of three or four axes; raises UsageError, with the forms that are taken."""
    try:
        array = np.asarray(to_numpy(images))
        if array.dtype == object:
            array = np.stack([np.asarray(each) for each in images])  # such as Pillow's images
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} must be a path, a data set or one array {_FORMS}: {error}") from error
    shape = list(array.shape)
    if array.ndim == 2 and array.dtype.kind in "fiu":
        raise UsageError(
            f"{what} has shape {shape}, which is no set of images: give {_FORMS}, "
            "or compare features by genkit.metrics.frechet_distance and its like"
        )
    if array.dtype.kind not in "biuf" or array.ndim not in (3, 4):
        raise UsageError(
            f"{what} is {array.dtype} {shape}, no set of images: give a path, a data set or an array {_FORMS}"
        )
    if array.ndim == 3 and 3 in (shape[0], shape[2]):
        raise UsageError(
            f"{what} has shape {shape}, which may be one colour image or grey ones: "
            "add an axis for the images, or one of length 1 for their channel"
        )
    return array
