"""Fashion-MNIST, CIFAR-10 and CIFAR-100, as published: downloaded once, checked by sha256, never unpickled.

H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, 2017 (arXiv:1708.07747). A. Krizhevsky, Learning multiple layers of
features from tiny images, 2009 (the binary version). The files are looked for below the data root, then in the cache,
then downloaded.
"""

from __future__ import annotations

import tarfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from genkit.data.idx import parse_idx, read_bytes
from genkit.data.source import DatasetRequest, Item, Source, SourceItems, SplitName
from genkit.downloads import download
from genkit.errors import DataError, MissingError
from genkit.files.folders import cache_dir
from genkit.files.integrity import sha256_file

FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
CIFAR_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)

FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
FASHION_SIZES = {
    "train-images-idx3-ubyte.gz": 26_421_880,
    "train-labels-idx1-ubyte.gz": 29_515,
    "t10k-images-idx3-ubyte.gz": 4_422_102,
    "t10k-labels-idx1-ubyte.gz": 5_148,
}
FASHION_CLASSES = (
    "T-shirt or top",  # published as T-shirt/top, which can't name a folder
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Cifar:
    """One of the two archives: name, sha256, bytes, files of records and of class names, and labels before an image."""

    archive: str
    sha256: str
    size: int
    train: tuple[str, ...]
    test: str
    names: str
    labels: int


CIFAR = {
    "cifar10": Cifar(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        1,
    ),
    "cifar100": Cifar(
        "cifar-100-binary.tar.gz",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        168_513_733,
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        2,
    ),
}

Part = tuple[SplitName, NDArray[np.uint8], list[int]]
"""A split, its images [N, C, H, W] and labels."""


def fetched(
    dataset: str, name: str, mirrors: Sequence[str], sha256: str, data_root: Path | None, what: str, size: int
) -> Path:
    """Return a file in the cache, downloaded if need be; MissingError says that the data root lacks it too."""
    target = cache_dir().absolute() / "downloads" / dataset / name
    try:
        return download([url + name for url in mirrors], sha256, target, what=what, size=size)
    except MissingError as error:
        if data_root is None:
            raise
        state = "does not have it either" if data_root.is_dir() else "does not exist"
        raise MissingError(f"{error}; the data root {data_root} {state}") from error


class Published(Source):
    """A data set of files with known sha256."""

    mirrors: tuple[str, ...]
    folders: ClassVar[tuple[str, ...]]
    files: dict[str, str]
    sizes: Mapping[str, int]

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root

    @abstractmethod
    def parts(self) -> tuple[list[Part], tuple[str, ...]]:
        """Return the splits and the names of the classes."""

    def key(self) -> Any:
        """Return the files' hashes, which are fixed."""
        return [self.name, *self.files.values()]

    def read(self) -> SourceItems:
        """Return the images in their own splits; raises MissingError or DataError."""
        parts, classes = self.parts()
        shape = parts[0][1].shape
        return SourceItems(
            shape=(shape[1], shape[2], shape[3]),
            count=sum(len(images) for _, images, _ in parts),
            items=_items(parts),
            classes=classes,
        )

    def find(self, name: str) -> Path:
        """Return the path of one file, downloaded if need be; raises DataError for another file of that name."""
        sha256 = self.files[name]
        if self.data_root is not None:
            for folder in self.folders:
                if (path := self.data_root / folder / name).is_file():
                    if sha256_file(path) != sha256:
                        raise DataError(
                            f"{path} is not the published file of {self.name}, its sha256 differs: replace it"
                        )
                    return path
        return fetched(self.name, name, self.mirrors, sha256, self.data_root, f"{self.name}'s {name}", self.sizes[name])


class FashionMnist(Published):
    """70,000 grey images of 28x28 pixels: four gzipped idx files."""

    name = "fashion-mnist"
    folders = ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "fashion")

    def __init__(self, data_root: Path | None) -> None:
        super().__init__(data_root)
        self.mirrors, self.files, self.sizes = FASHION_MIRRORS, FASHION_FILES, FASHION_SIZES

    def parts(self) -> tuple[list[Part], tuple[str, ...]]:
        """Return the two splits of the publication."""
        arrays = {name: parse_idx(read_bytes(path), path) for name, path in self._paths().items()}
        names = list(arrays)
        splits: list[Part] = [
            ("train", arrays[names[0]][:, None], arrays[names[1]].tolist()),
            ("test", arrays[names[2]][:, None], arrays[names[3]].tolist()),
        ]
        return splits, FASHION_CLASSES

    def _paths(self) -> dict[str, Path]:
        return {name: self.find(name) for name in self.files}


class CifarImages(Published):
    """60,000 colour images of 32x32 pixels: records of one or two labels and 3,072 bytes, the fine label last."""

    folders = (".", "cifar", "cifar10", "cifar100")

    def __init__(self, name: str, data_root: Path | None) -> None:
        super().__init__(data_root)
        self.name = name
        self.about = CIFAR[name]
        self.mirrors, self.files = CIFAR_MIRRORS, {self.about.archive: self.about.sha256}
        self.sizes = {self.about.archive: self.about.size}

    def parts(self) -> tuple[list[Part], tuple[str, ...]]:
        """Return the two splits of the publication."""
        path = self.find(self.about.archive)
        wanted = {*self.about.train, self.about.test, self.about.names}
        found: dict[str, bytes] = {}
        with tarfile.open(path, "r:gz") as archive:
            for info in archive:
                name = info.name.rpartition("/")[2]
                if info.isreg() and name in wanted and (file := archive.extractfile(info)) is not None:
                    found[name] = file.read()
        if missing := sorted(wanted - found.keys()):
            raise DataError(f"{path} lacks {missing[0]}: replace it")
        classes = tuple(found[self.about.names].decode("ascii").split())
        return [
            ("train", *self._records(b"".join(found[name] for name in self.about.train))),
            ("test", *self._records(found[self.about.test])),
        ], classes

    def _records(self, data: bytes) -> tuple[NDArray[np.uint8], list[int]]:
        records = np.frombuffer(data, dtype=np.uint8).reshape(-1, self.about.labels + 3 * 32 * 32)
        return records[:, self.about.labels :].reshape(-1, 3, 32, 32), records[:, self.about.labels - 1].tolist()


def _items(parts: list[Part]) -> Iterator[Item]:
    for split, images, labels in parts:
        for image, label in zip(images, labels, strict=True):
            yield Item(image, label, split)


def fashion_mnist(request: DatasetRequest) -> Source:
    """Return the source of ``fashion-mnist``."""
    request.refuse_glob("fashion-mnist")
    request.not_used("fashion-mnist", "array", "values", "labels")
    return FashionMnist(request.data_root)


def cifar10(request: DatasetRequest) -> Source:
    """Return the source of ``cifar10``."""
    request.refuse_glob("cifar10")
    request.not_used("cifar10", "array", "values", "labels")
    return CifarImages("cifar10", request.data_root)


def cifar100(request: DatasetRequest) -> Source:
    """Return the source of ``cifar100``, with its 100 fine classes."""
    request.refuse_glob("cifar100")
    request.not_used("cifar100", "array", "values", "labels")
    return CifarImages("cifar100", request.data_root)
