"""Writing a packed data set as a stream: see genkit.data.packed for what is read of it."""

from __future__ import annotations

import array
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.encoded import decoders, encode
from genkit.data.packed import CAPTIONS, ENCODED, PIXELS, PLACES, npy_header
from genkit.data.pieces import Piece, Rules
from genkit.data.source import Item, SourceItems, file_stamp
from genkit.data.texts import Captions, Texts, text_file
from genkit.errors import DataError
from genkit.files.integrity import sha256_file
from genkit.files.text import json_text

_COPY = 1 << 20


class _Part:
    """What is known of the images of one split while they are written; ``file`` holds their pixels, or their files."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, "w+b")  # noqa: SIM115 - closed by the writer
        self.pixels, self.bytes = hashlib.sha256(), hashlib.sha256()
        self.length = 0
        self.labels, self.order, self.sizes, self.places = (array.array("q") for _ in range(4))
        self.captions, self.names = Captions(), Texts()


class PackWriter:
    """Writes images one by one: training images into the pack's own file, test images into one that is appended later.

    ``rules``: the images' files are kept, which these decode, or PNG files of what comes without. Memory use grows only
    by each image's label, position, captions and name.
    """

    def __init__(self, folder: Path, contents: SourceItems, name: str, *, encoded: bool = False) -> None:
        self.folder, self.name = folder, name
        self.shape = contents.shape
        self.rules = (contents.rules or Rules(grey=contents.shape[0] == 1)) if encoded else None
        self._contents = contents
        folder.mkdir(exist_ok=True)
        self._parts = (_Part(folder / (ENCODED if encoded else PIXELS)), _Part(folder / "test.raw"))
        self._header = b"" if encoded else npy_header(0, self.shape)
        self._parts[0].file.write(self._header)
        self._named = self._captioned = False
        self._files: dict[str, int] = {}
        self._stamps: list[tuple[str, list[int]]] = []
        """The files that stay where they are, by their number from 1 on."""

    @property
    def counts(self) -> list[int]:
        """The images in each split."""
        return [len(part.labels) for part in self._parts]

    def append(self, item: Item, *, test: bool, place: int | None = None) -> None:
        """Write one image, uint8 [C, H, W], a smaller one in the corner of zeros.

        ``place`` is its index in the source, by default after the last.
        """
        part = self._parts[test]
        part.order.append(sum(self.counts) if place is None else place)
        pixels, size = item.pixels, item.pixels.shape[1:]
        if size != self.shape[1:]:
            pixels = np.zeros(self.shape, np.uint8)
            pixels[:, : size[0], : size[1]] = item.pixels
        if self._contents.mixed:
            part.sizes.extend(size)
        data: Any = np.ascontiguousarray(pixels).data
        part.pixels.update(data)
        if self.rules is not None:
            data = self._placed(item, part)
        part.file.write(data)
        part.labels.append(-1 if item.label is None else item.label)
        part.captions.append(item.captions)
        part.names.append(item.name)
        self._named |= bool(item.name)
        self._captioned |= bool(item.captions)

    def _placed(self, item: Item, part: _Part) -> bytes:
        """Keep where the file of an image is: where it stays, or in ours; return the bytes to be written to ours."""
        if item.at is not None:
            path, start, size = item.at
            path = os.path.abspath(path)
            if path not in self._files:
                self._files[path] = len(self._files) + 1
                self._stamps.append((path, file_stamp(path)))
            part.places.extend((self._files[path], start, size))
            return b""
        data = item.encoded or encode(item.pixels, self.name)
        part.bytes.update(data)
        part.places.extend((0, part.length, len(data)))
        part.length += len(data)
        return data

    def items(self) -> Iterator[tuple[int, Item]]:
        """Yield the training images, then the test images, each with its index in the source."""
        for part, start in zip(self._parts, (len(self._header), 0), strict=True):
            part.file.seek(start)
            texts = zip(part.captions, part.names, strict=True)
            for index, (captions, name) in enumerate(texts):
                pixels, encoded = self._read(part, index)
                label = part.labels[index]
                at = self._stays_at(part, index)
                item = Item(pixels, None if label < 0 else label, None, captions, name, encoded, at)
                yield part.order[index], item

    def _stays_at(self, part: _Part, index: int) -> tuple[str, int, int] | None:
        number, start, size = part.places[3 * index : 3 * index + 3] if self.rules is not None else (0, 0, 0)
        return (self._stamps[number - 1][0], start, size) if number else None

    def _read(self, part: _Part, index: int) -> tuple[NDArray[np.uint8], bytes]:
        """Return the image that follows in a file, and its bytes if these are kept."""
        if self.rules is not None:
            at, name = self._stays_at(part, index), part.names[index]
            if at is not None:
                with Piece(name, path=at[0], part=at[1:]).open() as file:
                    return self.rules.decoded(file, name), b""
            data = part.file.read(part.places[3 * index + 2])
            return self.rules.decoded(io.BytesIO(data), name), data
        pixels = np.frombuffer(part.file.read(int(np.prod(self.shape))), dtype=np.uint8).reshape(self.shape)
        height, width = part.sizes[2 * index : 2 * index + 2] if self._contents.mixed else self.shape[1:]
        return pixels[:, :height, :width], b""

    def names(self) -> tuple[Texts, ...]:
        """Return the names of the training images and of the test images; nothing if they have none."""
        return tuple(part.names for part in self._parts) if self._named else ()

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.file.close()

    def finish(self) -> str:
        """Join the splits, write labels and metadata, sync all to disk; return the sha256 of the content.

        It covers the pixels, labels, captions, class names, levels, splits and shape, several sizes if there are, not
        the files' names, nor how the images are kept.
        """
        contents = self._contents
        labels, order, sizes = (self._joined(name) for name in ("labels", "order", "sizes"))
        meta: dict[str, Any] = {
            "shape": list(self.shape),
            "train": self.counts[0],
            "test": self.counts[1],
            "levels": contents.levels,
            "classes": list(contents.classes),
            "pixels_sha256": [part.pixels.hexdigest() for part in self._parts],
            "labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
        }
        names = ["labels.npy", "order.npy"]
        if self._captioned:
            names.append(CAPTIONS)
            meta["captions_sha256"] = self._write_captions()
        if contents.mixed:
            names.append("sizes.json")
            meta["sizes_sha256"] = hashlib.sha256(sizes.tobytes()).hexdigest()
            self._write("sizes.json", [json.dumps(sizes.reshape(-1, 2).tolist()).encode()])
        sha256 = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()
        own = self._join_images()
        if changed := next((path for path, stamp in self._stamps if file_stamp(path) != stamp), ""):
            raise DataError(f"{changed} changed while it was packed: open the data set again when nothing writes to it")
        if self.rules is not None:
            names.insert(0, PLACES)
            places = self._joined("places").reshape(-1, 3)
            ours = (np.arange(len(places)) >= self.counts[0]) & (places[:, 0] == 0)
            places[ours, 1] += self._parts[0].length  # the test images, behind the training images
            self._write_array(PLACES, places)
            meta["encoded"] = {
                "rules": vars(self.rules),
                "decoders": decoders(),
                "bytes": [part.length for part in self._parts],
                "sha256": [part.bytes.hexdigest() for part in self._parts],
                "files": self._stamps,
            }
        self._write_array("labels.npy", labels)
        self._write_array("order.npy", np.argsort(order, kind="stable"))
        meta["bytes"] = {name: (self.folder / name).stat().st_size for name in (own, *names)}
        meta["files"] = {name: sha256_file(self.folder / name) for name in names}
        self._write("meta.json", [json_text(meta, indent=1).encode()])
        return sha256

    def _joined(self, name: str) -> NDArray[np.int64]:
        return np.concatenate([np.array(getattr(part, name), dtype="<i8") for part in self._parts])

    def _join_images(self) -> str:
        """Append the test images to the training images; return the name of the file of all."""
        file, test = (part.file for part in self._parts)
        file.seek(0, os.SEEK_END)
        test.seek(0)
        shutil.copyfileobj(test, file, _COPY)
        if self._header:
            header = npy_header(sum(self.counts), self.shape)
            if len(header) != len(self._header):
                raise DataError(f"{sum(self.counts):,} images are more than a pack can hold")
            file.seek(0)
            file.write(header)
        _sync(file)
        self.close()
        (self.folder / "test.raw").unlink()
        return ENCODED if self.rules is not None else PIXELS

    def _write_captions(self) -> str:
        """Write all captions; return the sha256 of them as one JSON list, as which they were kept before."""
        digest, before = hashlib.sha256(), "["
        for part in self._parts:
            for captions in part.captions.texts:
                digest.update(f"{before}{captions}".encode())
                before = ", "
        digest.update(b"]")
        self._write(CAPTIONS, text_file(*(part.captions.texts for part in self._parts)))
        return digest.hexdigest()

    def _write_array(self, name: str, values: NDArray[np.int64]) -> None:
        with open(self.folder / name, "wb") as file:
            np.save(file, values, allow_pickle=False)
            _sync(file)

    def _write(self, name: str, parts: Any) -> None:
        with open(self.folder / name, "wb") as file:
            file.writelines(parts)
            _sync(file)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
