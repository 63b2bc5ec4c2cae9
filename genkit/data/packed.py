"""Packed data sets on disk, read as memory maps: see genkit.data.pack_writer for how they are written."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.dataset import Split
from genkit.data.encoded import EncodedPixels, decoders
from genkit.data.npy import map_array, read_array
from genkit.data.pieces import Rules
from genkit.data.source import file_stamp
from genkit.data.texts import Captions, read_texts
from genkit.errors import GenkitError
from genkit.files.integrity import Damaged, sha256_parts, unchanged
from genkit.files.reading import entire, open_file, parse_json, read_file

PIXELS, ENCODED, PLACES = "pixels.npy", "encoded.bin", "places.npy"
"""The files with the decoded images, with the encoded ones, and with where each of these is."""

CAPTIONS = "captions.texts"
"""The file with the captions; in packs of before they are one JSON text, ``captions.json``."""


@dataclass(frozen=True)
class Packed:
    """The splits of a packed data set; ``train`` and ``test`` are views of ``whole``."""

    sha256: str
    train: Split
    test: Split
    whole: Split
    classes: tuple[str, ...]


def open_packed(folder: Path, sha256: str) -> Packed | None:
    """Return a packed data set, or None if there is none; raises Damaged for one that is not what was written.

    None, too, is one whose images are kept encoded where other versions of what decodes them are installed, or where
    the files that hold them have changed.
    """
    if not folder.is_dir():
        return None
    try:
        meta = parse_json(read_file(folder / "meta.json"))
        if "encoded" in meta and not _readable(meta["encoded"]):
            return None
        wrong = _wrong(folder, meta, sha256)
        if wrong:
            raise Damaged(f"{folder / wrong} is not what was written")
        pixels = _pixels(folder, meta)
        labels: NDArray[np.int64] | None = _array(folder / "labels.npy")
        order: NDArray[np.int64] = _array(folder / "order.npy")
        count, levels, classes = meta["train"], meta["levels"], tuple(meta["classes"])
        captions = _captions(folder, meta)
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

    def split(name: str, part: slice) -> Split:
        own_labels = None if labels is None else labels[part]
        own_captions = None if captions is None else captions[part]
        own_sizes = None if sizes is None else sizes[part]
        own_pixels: Any = pixels.part(part) if isinstance(pixels, EncodedPixels) else pixels[part]
        return Split(name, own_pixels, own_labels, levels, None, own_captions, None, own_sizes)

    return Packed(
        sha256,
        train=split("train", slice(count)),
        test=split("test", slice(count, None)),
        whole=Split("all", pixels, labels, levels, order, captions, None, sizes),
        classes=classes,
    )


def _pixels(folder: Path, meta: dict[str, Any]) -> Any:
    """Return the images of a pack: an array that is mapped, or one that decodes what is read of it."""
    if "encoded" not in meta:
        return map_array(folder / PIXELS).view(np.ndarray)
    channels, height, width = meta["shape"]
    places = _array(folder / PLACES)
    if places.shape != (meta["train"] + meta["test"], 3):
        raise Damaged(f"{folder / PLACES} is not what was written")
    path, files = folder / ENCODED, meta["encoded"]["files"]
    own = np.memmap(path, np.uint8, "r").view(np.ndarray) if path.stat().st_size else np.zeros(0, np.uint8)
    return EncodedPixels(own, files, places, (channels, height, width), Rules(**meta["encoded"]["rules"]))


def _captions(folder: Path, meta: dict[str, Any]) -> Sequence[tuple[str, ...]] | None:
    """Return the captions of all images, which are read from their file as they are asked for."""
    if "captions_sha256" not in meta:
        return None
    if CAPTIONS not in meta["bytes"]:
        return [tuple(each) for each in parse_json(read_file(folder / "captions.json", entire()))]
    captions = Captions(read_texts(folder / CAPTIONS))
    if len(captions) != meta["train"] + meta["test"]:
        raise Damaged(f"{folder / CAPTIONS} is not what was written")
    return captions


def _readable(encoded: dict[str, Any]) -> bool:
    """Whether encoded images still decode to what they did, and are where they were."""
    try:
        unmoved = all(file_stamp(path) == stamp for path, stamp in encoded["files"])
    except GenkitError:
        return False
    return unmoved and encoded["decoders"] == decoders()


def _wrong(folder: Path, meta: dict[str, Any], sha256: str) -> str:
    """Return the first file of a pack that is not what was written, or an empty string.

    The hash of what ``meta.json`` says of the content is the pack's name, and it holds those of the images. Packs of
    before hold no hashes of the other files; what these say is compared with the content.
    """
    content = {key: value for key, value in meta.items() if key not in ("bytes", "files", "encoded")}
    if _sha256(json.dumps(content, sort_keys=True).encode()) != sha256:
        return "meta.json"
    counts, shape = (meta["train"], meta["test"]), tuple(meta["shape"])
    if "encoded" in meta:
        sizes, images = meta["encoded"]["bytes"], " ".join(meta["encoded"]["sha256"])
    else:
        header = npy_header(sum(counts), shape)
        sizes = [len(header), *(count * math.prod(shape) for count in counts)]
        images = " ".join([_sha256(header), *meta["pixels_sha256"]])
    hashes = {"captions.json": meta.get("captions_sha256", ""), **meta.get("files", {})}
    for name, size in meta["bytes"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return str(name)
        if name in (PIXELS, ENCODED):
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


def npy_header(count: int, shape: tuple[int, int, int]) -> bytes:
    """Return the header of a .npy file; NumPy pads it so that the first axis can grow."""
    buffer = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()
