"""MNIST: 70,000 handwritten digits of 28x28 pixels, in its own split of 60,000 and 10,000.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, 1998. Its four
idx files are looked for below the data root, gzipped or not, then in the cache, then downloaded. Their content must be
MNIST's: other data in the same format (Fashion-MNIST has the same file names) is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genkit.data.grammar import DigitNames
from genkit.data.idx import parse_idx, read_bytes
from genkit.data.published import fetched
from genkit.data.source import DatasetRequest, Item, Source, SourceItems
from genkit.errors import DataError

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FOLDERS = ("mnist/raw", "MNIST/raw", "mnist", ".")
"""Where the files are looked for below the data root."""


class File(NamedTuple):
    """One of the four files: its name, the array's shape, its sha256, and that and the size of the published .gz."""

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_sha256: str
    packed_size: int


FILES = {
    "train images": File(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        9_912_422,
    ),
    "train labels": File(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        28_881,
    ),
    "test images": File(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        1_648_877,
    ),
    "test labels": File(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        4_542,
    ),
}


class Mnist(Source):
    """The four files, wherever they are."""

    name = "mnist"
    grammar = DigitNames()

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root

    def key(self) -> Any:
        """Return the files' hashes, which are fixed."""
        return [file.sha256 for file in FILES.values()]

    def read(self) -> SourceItems:
        """Return 70,000 images of shape (1, 28, 28) and 256 levels; raises MissingError or DataError."""
        arrays = {part: load(self.find(part), file) for part, file in FILES.items()}
        return SourceItems(
            shape=(1, 28, 28),
            count=len(arrays["train images"]) + len(arrays["test images"]),
            items=_items(arrays),
            classes=tuple(map(str, range(10))),
        )

    def find(self, part: str) -> Path:
        """Return the path of one file, downloaded if need be."""
        file = FILES[part]
        if self.data_root is not None:
            for folder in FOLDERS:
                for name in (file.name, f"{file.name}.gz"):
                    if (path := self.data_root / folder / name).is_file():
                        return path
        packed = f"{file.name}.gz"
        return fetched(
            self.name, packed, MIRRORS, file.packed_sha256, self.data_root, f"MNIST's {packed}", file.packed_size
        )


def load(path: Path, file: File) -> NDArray[np.uint8]:
    """Return a file's array; raises DataError if it is truncated, has another shape, or is not MNIST's."""
    data = read_bytes(path)
    array = parse_idx(data, path)
    if array.shape != file.shape:
        raise DataError(f"{path} holds an array of {array.shape} where MNIST has {file.shape}: replace the file")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise DataError(
            f"{path} is not MNIST's {file.name}, its sha256 differs: if it holds other data of that format, "
            "save it as .npz and use npz:PATH"
        )
    return array


def _items(arrays: dict[str, NDArray[np.uint8]]) -> Iterator[Item]:
    for image, label in zip(arrays["train images"], arrays["train labels"].tolist(), strict=True):
        yield Item(image[None], label, "train")
    for image, label in zip(arrays["test images"], arrays["test labels"].tolist(), strict=True):
        yield Item(image[None], label, "test")


def mnist(request: DatasetRequest) -> Source:
    """Return the source of ``mnist``."""
    request.refuse_glob("mnist")
    request.not_used("mnist", "array", "values", "labels")
    return Mnist(request.data_root)
