"""How much memory images and arrays may take while they are read. Tests decode, npy, npz and idx of genkit.data."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memory import peak
from PIL import Image

from genkit.data.decode import _memory, decode, read_header
from genkit.data.idx import read_bytes
from genkit.data.npz import NpzSource
from genkit.data.source import MAX_PIXELS, DatasetRequest
from genkit.errors import DataError

SIDE = 3000
MB = 1 << 20


def encoded(image: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def plain(mode: str) -> Image.Image:
    if mode in ("I;16", "F"):
        return Image.fromarray(np.zeros((SIDE, SIDE), np.uint16 if mode == "I;16" else np.float32))
    return Image.new(mode, (SIDE, SIDE))


KINDS = {
    "grey": ("L", "PNG", {}),
    "16-bit": ("I;16", "PNG", {}),
    "float": ("F", "TIFF", {}),
    "colour": ("RGB", "PNG", {}),
    "palette": ("P", "GIF", {}),
    "transparent": ("RGBA", "PNG", {}),
    "transparent palette": ("P", "PNG", {"transparency": 0}),
    "transparent grey": ("LA", "PNG", {}),
    "print": ("CMYK", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "WebP": ("RGB", "WEBP", {"lossless": True}),
    "JPEG 2000": ("RGB", "JPEG2000", {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grey", [True, False], ids=["made grey", "as it is"])
def test_an_image_takes_no_more_memory_than_is_reckoned_with(kind: str, grey: bool) -> None:
    mode, suffix, how = KINDS[kind]
    data = encoded(plain(mode), suffix, **how)
    with Image.open(io.BytesIO(data)) as image:
        most = _memory(image) * SIDE * SIDE
    said, took = peak(lambda: decode(io.BytesIO(data), "x", grey=grey))
    assert said == ""
    assert took < most + 48 * MB


@pytest.mark.parametrize("values", [None, (0.0, 1000.0)], ids=["whole range", "a range"])
def test_strips_of_a_large_image_are_what_the_whole_would_be(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (40, 30), dtype=np.uint16)
    for image in (
        Image.fromarray(pixels),
        *(Image.fromarray((pixels >> 8).astype(np.uint8)).convert(mode) for mode in ("L", "RGB", "RGBA", "LA", "CMYK")),
    ):
        data = encoded(image, "TIFF")
        whole = decode(io.BytesIO(data), "x", grey=False, values=values)
        with monkeypatch.context() as patch:
            patch.setattr("genkit.data.decode._STRIP", 100)
            np.testing.assert_array_equal(decode(io.BytesIO(data), "x", grey=False, values=values), whole)


def test_floats_out_of_range_are_refused_with_the_range_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genkit.data.decode._STRIP", 100)
    data = encoded(Image.fromarray(np.linspace(0, 9, 1200, dtype=np.float32).reshape(40, 30)), "TIFF")
    with pytest.raises(DataError, match="values from 0 to 9, outside"):
        decode(io.BytesIO(data), "x", grey=True)


def test_an_image_whose_kind_takes_more_memory_has_fewer_pixels() -> None:
    data = encoded(plain("RGB"), "JPEG2000")
    with pytest.raises(DataError, match=r"a JPEG2000 image of that kind takes as much memory as .* --max-pixels"):
        read_header(io.BytesIO(data), "x", SIDE * SIDE + 1)
    assert read_header(io.BytesIO(data), "x", 3 * SIDE * SIDE).height == SIDE


def saved(path: Path, **arrays: Any) -> NpzSource:
    np.savez_compressed(path, **arrays)
    return NpzSource(path, DatasetRequest(str(path)))


def test_labels_that_unpack_to_much_are_refused_before_they_do(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.zeros((3, 10_000_000)))
    said, took = peak(source.read)
    assert "takes 240,000,000 bytes, more than the 134,217,728 that labels may" in said
    assert took < 32 * MB


def test_one_hot_labels_take_little_more_than_their_file(tmp_path: Path) -> None:
    labels = np.zeros((60_000, 1000), np.uint8)
    labels[:, 7] = 1
    source = saved(tmp_path / "a.npz", images=np.zeros((60_000, 1, 1), np.uint8), labels=labels)
    said, took = peak(source.read)
    assert said == ""
    assert took < 160 * MB


def test_an_image_in_an_array_has_the_pixels_of_one_in_a_file(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.npz", images=np.zeros((1, 4000, 29_000), np.uint8))
    with pytest.raises(DataError, match=r"images of 4000x29000 .* admit them with --max-pixels 116000000"):
        source.read()


def with_header(path: Path, text: bytes, version: int = 1) -> NpzSource:
    """Write an .npz whose array ``images`` has a header of this text."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images.npy", b"\x93NUMPY" + bytes([version, 0]) + length + text)
    return NpzSource(path, DatasetRequest(str(path)))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b" " * (100 * MB), 2),
        (b"(" * 60_000, 1),
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8)}", 1),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4294967296, 4294967296)}", 1),
        (b"{'descr': '|S0', 'fortran_order': False, 'shape': (2, 8, 8)}", 1),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 8, 8)}", 1),
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 8, 8)}", 1),
        (b"{'descr': '|u1', 'fortran_order': True, 'shape': (10000000, 8, 8)}", 1),
        (b"{'descr': '|u1', 'fortran_order': True, 'shape': (100000000, 8, 8)}", 1),
    ],
    ids=["long", "nested", "negative", "overflow", "no bytes", "objects", "claim", "Fortran claim", "Fortran"],
)
def test_a_header_without_measure_is_one_sentence(tmp_path: Path, text: bytes, version: int) -> None:
    source = with_header(tmp_path / "a.npz", text, version)
    said, took = peak(lambda: list(source.read().items))
    assert said.startswith(f"{tmp_path / 'a.npz'}: images ")
    assert took < 32 * MB


def test_a_gzip_bomb_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genkit.data.idx._LIMIT", MB)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(64 * MB)))
    said, took = peak(lambda: read_bytes(path))
    assert "unpacks to more than 1,048,576 bytes" in said
    assert took < 32 * MB


def test_the_limit_is_above_what_a_camera_of_100_million_pixels_makes() -> None:
    assert MAX_PIXELS > 11_648 * 8736
