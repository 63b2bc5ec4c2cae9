"""Decoding image files to uint8 pixels by fixed rules.

The format (PNG, JPEG, WebP or BMP) is recognised by the content, not by the suffix. The rules:

- 16-bit grey becomes 8-bit by rint(v * 255 / 65535); of 16-bit colour Pillow keeps the high byte
- 1-bit becomes grey 0 or 255; a palette becomes RGB; CMYK and YCbCr become RGB without a colour profile
- transparency is composited on white, and grey stays grey
- the EXIF orientation is applied (in a PNG, if it stands before the pixels)
- only the first frame of an animation is used
- resizing is one antialiased Lanczos resampling of the centred square or of the whole image
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from genkit.data.source import Crop
from genkit.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that undoes each EXIF orientation."""


@dataclass(frozen=True)
class Header:
    """Height and width after the EXIF orientation, and whether the image is grey."""

    height: int
    width: int
    grey: bool


def read_header(file: BinaryIO, name: str) -> Header:
    """Return an image's size and kind without decoding its pixels; raises DataError, which names the file."""
    with _open(file, name) as image:
        try:
            width, height = image.size
            if _orientation(image) >= 5:
                width, height = height, width
            return Header(height, width, image.mode in _GREY)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's parsers raise anything at all on broken files
            raise _damaged(name, error) from error


def decode(
    file: BinaryIO, name: str, *, grey: bool, size: tuple[int, int] | None = None, crop: Crop = "center"
) -> NDArray[np.uint8]:
    """Return an image's pixels, uint8 [1, H, W] or [3, H, W] in 0 .. 255.

    ``size``: (height, width), to which the centred part of that shape (``crop="center"``) or the whole image
    (``"none"``) is resampled.
    Raises DataError, which names the file, if it is truncated or damaged.
    """
    with _open(file, name) as image:
        try:
            orientation = _orientation(image)
            image.load()
            flat = _flatten(image)
        except MemoryError:
            raise
        except Exception as error:
            raise _damaged(name, error) from error
    if orientation in _TRANSPOSE:
        flat = flat.transpose(_TRANSPOSE[orientation])
    flat = flat.convert("L" if grey else "RGB")
    if size is not None and (flat.height, flat.width) != size:
        lanczos = Image.Resampling.LANCZOS
        target = size[::-1]
        flat = ImageOps.fit(flat, target, lanczos) if crop == "center" else flat.resize(target, lanczos)
    pixels = np.asarray(flat)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _open(file: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} is too large an image: {error}") from error
    except Exception as error:
        file.seek(0, 2)
        if file.tell() == 0:
            raise DataError(f"{name} is empty (0 bytes): remove it or leave bad files out with --skip-bad") from error
        raise DataError(
            f"{name} is not a PNG, JPEG, WebP or BMP image: remove it or leave bad files out with --skip-bad"
        ) from error


def _damaged(name: str, error: Exception) -> DataError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{name} is truncated or damaged ({detail}): replace it or leave bad files out with --skip-bad")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 .. 8; in a PNG only one before the pixels is found, as decoding is slow."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    found = image.getexif().get(0x0112, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _flatten(image: Image.Image) -> Image.Image:
    """Bring a decoded image to mode L or RGB."""
    mode, transparent = image.mode, image.info.get("transparency")
    if mode.startswith("I"):
        values = np.asarray(image).astype(np.float64).clip(0, 65535)
        if isinstance(transparent, int):
            values[values == transparent] = 65535
        return Image.fromarray(np.rint(values * (255 / 65535)).astype(np.uint8))
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or transparent is not None:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L" if mode in _GREY else "RGB")
