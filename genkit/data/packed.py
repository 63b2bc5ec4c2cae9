"""Packed data sets on disk: written as a stream, read as memory maps."""

from __future__ import annotations

import array
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.dataset import Split
from genkit.data.npy import map_array, read_array
from genkit.data.source import Item, SourceItems
from genkit.errors import DataError
from genkit.files.integrity import Damaged, sha256_file, sha256_parts, unchanged
from genkit.files.reading import entire, open_file, parse_json, read_file
from genkit.files.text import json_text

_COPY = 1 << 20


@dataclass(frozen=True)
class Packed:
    """The splits of a packed data set; ``train`` and ``test`` are views of ``whole``."""

    sha256: str
    train: Split
    test: Split
    whole: Split
    classes: tuple[str, ...]


class PackWriter:
    """Writes images one by one: training images into ``pixels.npy``, test images into a file that is appended later.

    Memory use grows only by each image's label, position, captions and name.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        self.folder = folder
        self.shape = shape
        folder.mkdir(exist_ok=True)
        self._header = len(_npy_header(0, shape))
        self._files = (open(folder / "pixels.npy", "w+b"), open(folder / "test.raw", "w+b"))  # noqa: SIM115
        self._files[0].write(_npy_header(0, shape))
        self._hashes = (hashlib.sha256(), hashlib.sha256())
        self._labels = (array.array("q"), array.array("q"))
        self._places = (array.array("q"), array.array("q"))
        self._captions: tuple[list[tuple[str, ...]], list[tuple[str, ...]]] = ([], [])
        self._names: tuple[list[str], list[str]] = ([], [])
        self._sizes: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
        self.counts = [0, 0]

    def append(self, item: Item, *, test: bool, place: int | None = None) -> None:
        """Write one image, uint8 [C, H, W], a smaller one in the corner of zeros.

        ``place`` is its index in the source, by default after the last.
        """
        self._places[test].append(sum(self.counts) if place is None else place)
        pixels, size = item.pixels, item.pixels.shape[1:]
        if size != self.shape[1:]:
            pixels = np.zeros(self.shape, np.uint8)
            pixels[:, : size[0], : size[1]] = item.pixels
        self._sizes[test].append(size)
        data = np.ascontiguousarray(pixels).data
        self._files[test].write(data)
        self._hashes[test].update(data)
        self._labels[test].append(-1 if item.label is None else item.label)
        self._captions[test].append(item.captions)
        self._names[test].append(item.name)
        self.counts[test] += 1

    def items(self) -> Iterator[tuple[int, Item]]:
        """Yield the training images, then the test images, each with its index in the source."""
        size = int(np.prod(self.shape))
        for test, (file, start) in enumerate(zip(self._files, (self._header, 0), strict=True)):
            file.seek(start)
            texts = zip(self._captions[test], self._names[test], self._sizes[test], strict=True)
            for label, place, (captions, name, own) in zip(self._labels[test], self._places[test], texts, strict=True):
                pixels = np.frombuffer(file.read(size), dtype=np.uint8).reshape(self.shape)[:, : own[0], : own[1]]
                yield place, Item(pixels, None if label < 0 else label, None, captions, name)

    def names(self) -> list[str]:
        """Return the images' names, training images first."""
        return [*self._names[0], *self._names[1]]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def finish(self, contents: SourceItems) -> str:
        """Join the splits, write labels and metadata, sync all to disk; return the sha256 of the content.

        It covers the pixels, labels, captions, class names, levels, splits and shape, several sizes if there are, not
        the files' names.
        """
        labels = np.array([*self._labels[0], *self._labels[1]], dtype="<i8")
        meta: dict[str, Any] = {
            "shape": list(self.shape),
            "train": self.counts[0],
            "test": self.counts[1],
            "levels": contents.levels,
            "classes": list(contents.classes),
            "pixels_sha256": [digest.hexdigest() for digest in self._hashes],
            "labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
        }
        captions = [*self._captions[0], *self._captions[1]]
        texts = {"captions.json": json.dumps(captions).encode()} if any(captions) else {}
        if texts:
            meta["captions_sha256"] = hashlib.sha256(texts["captions.json"]).hexdigest()
        sizes = np.array([*self._sizes[0], *self._sizes[1]], dtype="<i8")
        if contents.mixed:
            meta["sizes_sha256"] = hashlib.sha256(sizes.tobytes()).hexdigest()
            texts["sizes.json"] = json.dumps(sizes.tolist()).encode()
        sha256 = _sha256(json.dumps(meta, sort_keys=True).encode())
        pixels, test = self._files
        pixels.seek(0, os.SEEK_END)
        test.seek(0)
        shutil.copyfileobj(test, pixels, _COPY)
        pixels.seek(0)
        header = _npy_header(sum(self.counts), self.shape)
        if len(header) != self._header:
            raise DataError(f"{sum(self.counts):,} images are more than a pack can hold")
        pixels.write(header)
        _sync(pixels)
        self.close()
        (self.folder / "test.raw").unlink()
        with open(self.folder / "labels.npy", "wb") as file:
            np.save(file, labels, allow_pickle=False)
            _sync(file)
        with open(self.folder / "order.npy", "wb") as file:
            places = np.array([*self._places[0], *self._places[1]], dtype="<i8")
            np.save(file, np.argsort(places, kind="stable"), allow_pickle=False)
            _sync(file)
        for name, data in texts.items():
            with open(self.folder / name, "wb") as file:
                file.write(data)
                _sync(file)
        names = ("pixels.npy", "labels.npy", "order.npy", *texts)
        meta["bytes"] = {name: (self.folder / name).stat().st_size for name in names}
        meta["files"] = {name: sha256_file(self.folder / name) for name in names[1:]}
        with open(self.folder / "meta.json", "wb") as file:
            file.write(json_text(meta, indent=1).encode())
            _sync(file)
        return sha256


def open_packed(folder: Path, sha256: str) -> Packed | None:
    """Return a packed data set, or None if there is none; raises Damaged for one that is not what was written."""
    if not folder.is_dir():
        return None
    try:
        meta = parse_json(read_file(folder / "meta.json"))
        wrong = _wrong(folder, meta, sha256)
        if wrong:
            raise Damaged(f"{folder / wrong} is not what was written")
        pixels: NDArray[np.uint8] = map_array(folder / "pixels.npy").view(np.ndarray)
        labels: NDArray[np.int64] | None = _array(folder / "labels.npy")
        order: NDArray[np.int64] = _array(folder / "order.npy")
        count, levels, classes = meta["train"], meta["levels"], tuple(meta["classes"])
        captions = parse_json(read_file(folder / "captions.json", entire())) if "captions_sha256" in meta else None
        sizes = np.array(parse_json(read_file(folder / "sizes.json", entire()))) if "sizes_sha256" in meta else None
        if labels is None or _sha256(labels.tobytes()) != meta["labels_sha256"]:
            raise Damaged(f"{folder / 'labels.npy'} is not what was written")
        if not np.array_equal(np.sort(order), np.arange(len(pixels))):
            raise Damaged(f"{folder / 'order.npy'} is not what was written")
        if sizes is not None and _sha256(sizes.astype("<i8").tobytes()) != meta["sizes_sha256"]:
            raise Damaged(f"{folder / 'sizes.json'} is not what was written")
    except Damaged:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise Damaged(f"{folder} is not what was written: {error}") from error
    if not classes:
        labels = None
    captions = None if captions is None else [tuple(each) for each in captions]

    def split(name: str, part: slice) -> Split:
        own_labels = None if labels is None else labels[part]
        own_captions = None if captions is None else captions[part]
        own_sizes = None if sizes is None else sizes[part]
        return Split(name, pixels[part], own_labels, levels, None, own_captions, None, own_sizes)

    return Packed(
        sha256,
        train=split("train", slice(count)),
        test=split("test", slice(count, None)),
        whole=Split("all", pixels, labels, levels, order, captions, None, sizes),
        classes=classes,
    )


def _wrong(folder: Path, meta: dict[str, Any], sha256: str) -> str:
    """Return the first file of a pack that is not what was written, or an empty string.

    The hash of what ``meta.json`` says of the content is the pack's name, and it holds those of the images. Packs of
    before hold no hashes of the other files; what these say is compared with the content.
    """
    content = {key: value for key, value in meta.items() if key not in ("bytes", "files")}
    if _sha256(json.dumps(content, sort_keys=True).encode()) != sha256:
        return "meta.json"
    counts, shape = (meta["train"], meta["test"]), tuple(meta["shape"])
    header = _npy_header(sum(counts), shape)
    sizes = [len(header), *(count * math.prod(shape) for count in counts)]
    images = " ".join([_sha256(header), *meta["pixels_sha256"]])
    hashes = {"captions.json": meta.get("captions_sha256", ""), **meta.get("files", {})}
    for name, size in meta["bytes"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return str(name)
        if name == "pixels.npy":
            right = size == sum(sizes) and unchanged(path, images, lambda path: " ".join(sha256_parts(path, sizes)))
        else:
            right = not hashes.get(name) or unchanged(path, hashes[name])
        if not right:
            return str(name)
    return ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _array(path: Path) -> NDArray[np.int64]:
    with open_file(path) as file:
        return read_array(file, entire())


def _npy_header(count: int, shape: tuple[int, int, int]) -> bytes:
    """Return the header of a .npy file; NumPy pads it so that the first axis can grow."""
    buffer = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
