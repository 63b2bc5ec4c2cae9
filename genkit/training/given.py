"""What may be given to ``train``: numbers as people write them, and images that are in memory."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import ImageDataset
from genkit.data.open import OpenOptions
from genkit.data.source import DatasetRequest
from genkit.errors import DataError, GenkitError, UsageError, suggestion
from genkit.files.integrity import sha256_file
from genkit.files.text import logger
from genkit.files.writing import write_atomic

_LOG = logger(__name__)

_COUNT = re.compile(r"([\d_,]*\.?\d+)([km]?)", re.IGNORECASE)


def count(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number: an integer, a float such as 32.0, or a text such as "500k", "2M" or "60_000".

    Raises UsageError, which names the argument, for anything else and for numbers below ``least``.
    """
    number = value
    if isinstance(value, str) and (found := _COUNT.fullmatch(value.strip())):
        digits = float(found[1].replace("_", "").replace(",", ""))
        number = round(digits * {"": 1, "k": 1_000, "m": 1_000_000}[found[2].lower()], 6)
    try:
        whole = int(number)
        if isinstance(number, str | bool) or whole != number or whole < least:
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{name} is {value!r}: give a whole number of at least {least}, or a text like '500k'"
        ) from error
    return whole


def reference_of(dataset: Any, root: Path) -> str | ImageDataset:
    """Return a reference to a data set, given one, a path, or images in memory.

    Images in memory are an array or tensor as in an .npz file, such a pair of images and labels, or a torch Dataset of
    images or of (image, label). They are kept as an .npz in ``root``, so that their runs can be measured and resumed.
    Raises UsageError for anything else.
    """
    if isinstance(dataset, str | ImageDataset):
        return dataset
    if isinstance(dataset, Path):
        return str(dataset)
    if isinstance(dataset, np.ndarray | Tensor):
        return _saved(_array(dataset), None, root)
    if isinstance(dataset, tuple) and len(dataset) == 2:
        return _saved(_array(dataset[0]), _array(dataset[1]), root)
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise UsageError(
            f"{type(dataset).__name__} is no type of a data set: give a name such as 'digits', a path, an array or "
            "tensor of images, or a torch Dataset with a length"
        )
    items = [dataset[index] for index in range(len(dataset))]
    if not items:
        raise UsageError("the data set holds no images: give at least two different ones")
    images = [_array(item[0] if isinstance(item, tuple | list) else item) for item in items]
    if len({image.shape for image in images}) > 1:
        raise UsageError(
            "the data set's images are of several sizes: resize them to one, or train on a folder of files"
        )
    labelled = isinstance(items[0], tuple | list) and len(items[0]) > 1
    return _saved(np.stack(images), np.array([int(item[1]) for item in items]) if labelled else None, root)


def how_opened(data: ImageDataset, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of open_dataset that open a data set again, for its run to record.

    Raises UsageError if it was opened otherwise than the caller told, or by the rules of another package, which are for
    measuring.
    """
    request = data.opened_with or DatasetRequest()
    if request.decoding != "genkit":
        raise UsageError(
            f"{data.name} was opened to be measured, by the rules of another package: open it with open_dataset, or "
            "give its name"
        )
    wanted = DatasetRequest(**{**told, "labels": str(told.get("labels", ""))})
    for name in told:
        if name != "data_root" and getattr(wanted, name) != getattr(request, name):
            raise UsageError(f"{data.name} was opened without {name}={told[name]!r}: open it so, or give its name")
    options = {each.name: getattr(request, each.name) for each in dataclasses.fields(OpenOptions)}
    return {**options, "data_root": told.get("data_root") or request.data_root}


def with_whole_paths(told: Mapping[str, Any]) -> OpenOptions:
    """Return how a data set was opened for its run to record: it may be opened again from another folder."""
    options = dict(told)
    if options.get("data_root"):
        options["data_root"] = str(Path(options["data_root"]).absolute())
    if options.get("labels", "") not in ("", "folders", "none"):
        options["labels"] = str(Path(options["labels"]).expanduser().absolute())
    return OpenOptions(**options)


def refuse_generated(data: ImageDataset, command: str = "train") -> None:
    """Raise DataError, with the choice to make, for images of which some say in their metadata that they are generated.

    Models trained on the output of models get worse from one to the next (Shumailov et al. 2024, Nature 631).
    """
    if data.generated:
        total = len(data.train) + len(data.test)
        leave_out = "leave them out by --exclude-generated, or " if data.generated < total else ""
        raise DataError(
            f"{data.generated:,} of {total:,} images of {data.name} are generated, as their metadata say "
            f"({data.generated_by}), and models trained on generated images get worse: {leave_out}"
            f"go on with them by genkit {command} --allow-generated (in Python and a board's "
            "file exclude_generated and allow_generated)"
        )


def refuse_unknown(names: Any, known: list[str]) -> None:
    """Raise UsageError for the name of an argument that train does not have."""
    for name in names:
        if name not in known:
            raise UsageError(
                f"train has no argument {name!r}.{suggestion(name, known)} "
                f"A model's option goes into options={{{name!r}: ...}}"
            )


def _array(images: Any) -> NDArray[Any]:
    return images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)


def _saved(images: NDArray[Any], labels: NDArray[Any] | None, root: Path) -> str:
    """Write an .npz under a name made from its content, and return the reference to it."""
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    name = hashlib.sha256(buffer.getvalue()).hexdigest()[:12]
    path = (root / "arrays" / f"{name}.npz").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        damaged = path.exists() and not sha256_file(path).startswith(name)
        if damaged:
            _LOG.warning("%s was damaged, and is written again", path)
        if damaged or not path.exists():
            write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise GenkitError(f"{path} can't be written: {error.strerror or error}") from error
    return f"npz:{path}"
