"""Decoding image files to uint8 pixels by fixed rules.

The format (PNG, JPEG, WebP, BMP, TIFF, PPM, JPEG 2000 or GIF) is recognised by the content, not by the suffix. The
rules:

- 16-bit grey becomes 8-bit by rint(v * 255 / 65535); of 16-bit colour Pillow keeps the high byte, so it has no range
- 32-bit floats in [0, 1] become 8-bit by rint(v * 255); others need a range
- with a range, low becomes 0 and high 255, by rint((v - low) * 255 / (high - low)), clipped
- 1-bit becomes grey 0 or 255; a palette becomes RGB; CMYK and YCbCr become RGB without a colour profile
- transparency is composited on white, and grey stays grey
- the EXIF orientation is applied (in a PNG, if it stands before the pixels)
- only the first frame of an animation is used
- resizing is one antialiased Lanczos resampling of the centred square or of the whole image

Most packages for FID have Pillow's ``convert("RGB")`` as their only rule, ``decoding="rgb"`` here: transparency is
dropped, the orientation ignored, and 16-bit and float values are clipped at 255.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from genkit.data.npy import to_levels
from genkit.data.scans import refuse_scans
from genkit.data.source import MAX_PIXELS, Crop, Decoding
from genkit.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "GIF")
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
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


_STRIP = 1 << 22
"""Pixels that are converted at once; larger images are converted strip by strip."""

_LITTLE = 64 << 20
"""Bytes of memory that any image may take."""

_MEMORY = {"JPEG2000": 19, "WEBP": 12}
_PLAIN = 7
"""Bytes of memory that a pixel takes while it is decoded: 4 in Pillow and 3 in the array, in some formats more."""

Values = Literal["8-bit", "16-bit", "16-bit colour", "float"]


@dataclass(frozen=True)
class Header:
    """Height and width as decoded, whether the image is grey, and the kind of its values.

    ``special`` names what genkit's decoding and "rgb" treat differently, ``frames`` says whether there are several.
    """

    height: int
    width: int
    grey: bool
    values: Values = "8-bit"
    special: tuple[str, ...] = ()
    frames: bool = False


def read_header(file: BinaryIO, name: str, max_pixels: int = MAX_PIXELS, *, decoding: Decoding = "genkit") -> Header:
    """Return an image's size and kind without decoding its pixels; raises DataError, which names the file."""
    with _open(file, name, max_pixels) as image:
        try:
            width, height = image.size
            orientation, mode = _orientation(image), image.mode
            if orientation >= 5 and decoding == "genkit":
                width, height = height, width
            differ = {
                "transparency": mode in _TRANSPARENT or "transparency" in image.info,
                "an EXIF orientation": orientation in _TRANSPOSE,
                "values of more than 8 bits": mode.startswith("I") or mode == "F",
            }
            special = tuple(what for what, applies in differ.items() if applies)
            return Header(height, width, mode in _GREY, _values(image), special, getattr(image, "is_animated", False))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's parsers raise anything at all on broken files
            raise _damaged(name, error) from error


def decode(
    file: BinaryIO,
    name: str,
    *,
    grey: bool,
    size: tuple[int, int] | None = None,
    crop: Crop = "center",
    values: tuple[float, float] | None = None,
    max_pixels: int = MAX_PIXELS,
    decoding: Decoding = "genkit",
) -> NDArray[np.uint8]:
    """Return an image's pixels, uint8 [1, H, W] or [3, H, W] in 0 .. 255.

    ``size``: (height, width), to which the centred part of that shape (``crop="center"``) or the whole image
    (``"none"``) is resampled.
    ``values``: the (low, high) that become 0 and 255. Raises DataError, which names the file, if it is truncated or
    damaged, has more than ``max_pixels``, or has values whose range must be given.
    """
    with _open(file, name, max_pixels) as image:
        try:
            orientation = _orientation(image) if decoding == "genkit" else 1
            if values is not None and _values(image) == "16-bit colour":
                raise DataError(
                    f"{name} has 16-bit colour, of which only the high byte is read: save it with 8 bits, "
                    "its range chosen, in place of --range"
                )
            if image.format in ("JPEG", "MPO"):
                refuse_scans(file, name)
            image.load()
            plain = decoding == "rgb" and values is None
            flat = _converted(image, "RGB") if plain else _flatten(image, name, values)
        except (MemoryError, DataError):
            raise
        except Exception as error:
            raise _damaged(name, error) from error
    del image  # which may be large
    if orientation in _TRANSPOSE:
        flat = flat.transpose(_TRANSPOSE[orientation])
    return fit(flat, grey=grey, size=size, crop=crop)


def fit(flat: Image.Image, *, grey: bool, size: tuple[int, int] | None, crop: Crop) -> NDArray[np.uint8]:
    """Return the pixels of an image of mode L or RGB in a size and colour, as ``decode`` does."""
    flat = _converted(flat, "L" if grey else "RGB")
    if size is not None and (flat.height, flat.width) != size:
        lanczos = Image.Resampling.LANCZOS
        target = size[::-1]
        flat = ImageOps.fit(flat, target, lanczos) if crop == "center" else flat.resize(target, lanczos)
    if flat.width * flat.height <= _STRIP:
        pixels = np.asarray(flat)
        return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    whole = np.empty((1 if grey else 3, flat.height, flat.width), np.uint8)
    for top, part in _strips(flat):
        pixels = np.asarray(part)
        whole[:, top : top + part.height] = pixels[None] if grey else pixels.transpose(2, 0, 1)
    return whole


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield an image in strips of at most ``_STRIP`` pixels, each with its first row; a small one whole."""
    rows = max(1, _STRIP // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _in_strips(image: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return an image of another mode, made strip by strip."""
    if image.width * image.height <= _STRIP:
        return change(image)
    made = Image.new(mode, image.size)
    for top, part in _strips(image):
        made.paste(change(part), (0, top))
    return made


@contextlib.contextmanager
def _open(file: BinaryIO, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image of at most ``max_pixels``; Pillow's own limit and warning are off meanwhile."""
    with _UNLIMITED, _recognised(file, name) as image:
        if image.width * image.height > max_pixels:
            raise DataError(
                f"{name} is {image.width}x{image.height}, more than {max_pixels:,} pixels: "
                f"resize it, or admit it with --max-pixels {image.width * image.height}"
            )
        held = file.getbuffer().nbytes if isinstance(file, io.BytesIO) else 0
        memory = image.width * image.height * _memory(image) + held
        if memory > max(max_pixels * _PLAIN, _LITTLE):
            raise DataError(
                f"{name} is {image.width}x{image.height}, and a {image.format} image of that kind takes as much "
                f"memory as {memory // _PLAIN:,} pixels: resize it, or admit it with --max-pixels "
                f"{-(-memory // _PLAIN)}"
            )
        yield image


class _Unlimited:
    """Pillow without its own limit of pixels, which is the process's, while any thread decodes."""

    def __init__(self) -> None:
        self._lock, self._threads, self._limit = threading.Lock(), 0, Image.MAX_IMAGE_PIXELS

    def __enter__(self) -> None:
        with self._lock:
            if not self._threads:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads -= 1
            if not self._threads:
                Image.MAX_IMAGE_PIXELS = self._limit


_UNLIMITED = _Unlimited()


def _memory(image: Image.Image) -> int:
    """Return the bytes of memory that a pixel takes at most while it is decoded."""
    kinds = {10: image.info.get("progressive"), 8: image.mode not in ("1", "L", "P", "RGB", "I;16", "I;16B")}
    return _MEMORY.get(image.format or "", max((each for each, applies in kinds.items() if applies), default=_PLAIN))


def _recognised(file: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:
        file.seek(0, 2)
        if file.tell() == 0:
            raise DataError(f"{name} is empty (0 bytes): remove it or leave bad files out with --skip-bad") from error
        file.seek(0)
        begin = file.read(132)
        if begin.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
            named = not isinstance(error, UnidentifiedImageError)  # else it says nothing
            raise _damaged(name, error if named else ValueError("or a kind that can't be read")) from error
        if begin[128:] == b"DICM":
            raise DataError(f"{name} is a DICOM file, whose window must be chosen: convert it to PNG") from error
        raise DataError(
            f"{name} is not a PNG, JPEG, WebP, BMP, TIFF, PPM, JPEG 2000 or GIF image: convert it to PNG, remove it, "
            "or leave bad files out with --skip-bad"
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


def _values(image: Image.Image) -> Values:
    """Return the kind of an image's values, before its pixels are loaded."""
    if image.mode == "F":
        return "float"
    if image.mode.startswith("I"):
        return "16-bit"
    layouts = [tile.args for tile in getattr(image, "tile", ())]
    return "16-bit colour" if any(";16" in str(layout) for layout in layouts) else "8-bit"


def _flatten(image: Image.Image, name: str, values: tuple[float, float] | None) -> Image.Image:
    """Bring a decoded image to mode L or RGB."""
    mode, transparent = image.mode, image.info.get("transparency")
    if mode.startswith("I") or mode == "F":
        _refuse_values(image, name, values)
        return _in_strips(
            image, "L", lambda part: Image.fromarray(_numbers(np.asarray(part), transparent, name, values))
        )
    target = "L" if mode in _GREY else "RGB"
    if mode in _TRANSPARENT or transparent is not None:
        image = _in_strips(image, target, lambda part: _on_white(part).convert(target))
    flat = _converted(image, target)
    if values is None:
        return flat
    return _in_strips(flat, target, lambda part: Image.fromarray(to_levels(np.asarray(part), values)))


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))


def _refuse_values(image: Image.Image, name: str, values: tuple[float, float] | None) -> None:
    """Raise DataError, as for the whole, if the extremes of an image in strips can't be made levels."""
    if image.width * image.height > _STRIP:
        extremes = [(part.min(), part.max()) for part in (np.asarray(part) for _, part in _strips(image))]
        _numbers(np.array(extremes), None, name, values)


def _numbers(
    numbers: NDArray[Any], transparent: Any, name: str, values: tuple[float, float] | None
) -> NDArray[np.uint8]:
    """Return levels of 16-bit integers or floats, a transparent value on white; DataError for others without range."""
    if numbers.dtype.kind != "f" and values is None:
        if numbers.min() < 0 or numbers.max() > 65535:
            raise DataError(
                f"{name} has values from {numbers.min()} to {numbers.max()}, which are not of 16 bits: "
                "say which become black and white with --range LOW HIGH"
            )
        numbers = numbers.astype(np.uint16)
    try:
        levels = to_levels(numbers, values)
    except ValueError as error:
        raise DataError(f"{name} {error}") from error
    return np.where(numbers == transparent, np.uint8(255), levels) if isinstance(transparent, int) else levels
