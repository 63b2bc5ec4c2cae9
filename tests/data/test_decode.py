from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genkit.data import open_images
from genkit.data.decode import decode, read_header
from genkit.errors import DataError


def encoded(image: Image.Image, form: str = "PNG", **how: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format=form, **how)
    file.seek(0)
    return file


def pixels_of(file: io.BytesIO, **how: Any) -> np.ndarray:
    header = read_header(file, "x")
    file.seek(0)
    return decode(file, "x", grey=header.grey, **how)


def test_16_bit_grey_rounds_to_the_nearest_level() -> None:
    values = np.array([[0, 128, 129, 257, 32767, 32768, 65407, 65535]], dtype=np.uint16)
    found = pixels_of(encoded(Image.fromarray(values)))
    assert found.shape == (1, 1, 8)
    assert found.ravel().tolist() == [0, 0, 1, 1, 127, 128, 255, 255]


def test_one_bit_becomes_black_and_white() -> None:
    found = pixels_of(encoded(Image.fromarray(np.array([[True, False]]))))
    assert found.tolist() == [[[255, 0]]]


def test_palette_becomes_its_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert pixels_of(encoded(image))[:, 0].T.tolist() == [[10, 20, 30], [200, 100, 50]]


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert pixels_of(encoded(image, transparency=0))[:, 0].T.tolist() == [[255, 255, 255], [200, 100, 50]]


def test_alpha_is_composited_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 100, 255, 128))
    found = pixels_of(encoded(image))[:, 0].T
    assert found[0].tolist() == [255, 255, 255]
    assert np.abs(found[1].astype(int) - [127, 177, 255]).max() <= 1


def test_grey_with_alpha_stays_grey() -> None:
    image = Image.new("LA", (2, 1), (0, 0))
    image.putpixel((1, 0), (90, 255))
    assert pixels_of(encoded(image)).tolist() == [[[255, 90]]]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = pixels_of(encoded(image, "JPEG", quality=100))
    assert found.shape == (3, 8, 8)
    assert found[0].min() > 245
    assert found[1:].max() < 10


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_size_and_pixels(form: str, orientation: int) -> None:
    from PIL import ImageOps

    ramp = np.add.outer(np.arange(8) * 8, np.arange(16) * 3).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(Image.fromarray(ramp).convert("RGB"), form, exif=exif.tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB")).transpose(2, 0, 1)
    file.seek(0)
    header = read_header(file, "x")
    assert (header.height, header.width) == upright.shape[1:]
    file.seek(0)
    assert np.array_equal(decode(file, "x", grey=False), upright)


def test_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)
    assert pixels_of(file)[:, 0, 0].tolist() == [255, 0, 0]


def test_center_crop_takes_the_middle_square() -> None:
    wide = np.zeros((4, 12), dtype=np.uint8)
    wide[:, 4:8] = 200
    assert (pixels_of(encoded(Image.fromarray(wide)), size=(4, 4)) == 200).all()


def test_without_crop_the_whole_image_is_stretched() -> None:
    wide = np.zeros((4, 12), dtype=np.uint8)
    wide[:, 6:] = 240
    found = pixels_of(encoded(Image.fromarray(wide)), size=(4, 4), crop="none")
    assert found.shape == (1, 4, 4)
    assert found[0, 0, 0] < 20
    assert found[0, 0, 3] > 220


def test_downscaling_averages_instead_of_picking_pixels() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    found = pixels_of(encoded(Image.fromarray(board)), size=(8, 8))
    assert np.abs(found.astype(int) - 127).max() <= 2


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    assert np.array_equal(pixels_of(encoded(Image.fromarray(noise)), size=(8, 8))[0], noise)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_truncated_file_is_an_error_that_names_it(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), form).getvalue()
    with pytest.raises(DataError, match=r"^cat/7\.img is "):
        decode(io.BytesIO(data[: len(data) // 2]), "cat/7.img", grey=False)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(DataError, match=r"^a\.png is empty"):
        read_header(io.BytesIO(), "a.png")


def test_other_formats_are_refused_whatever_their_suffix() -> None:
    with pytest.raises(DataError, match=r"^a\.png is not a PNG"):
        read_header(encoded(Image.new("RGB", (4, 4)), "PDF"), "a.png")


def test_a_png_with_a_flipped_bit_in_its_header_is_damaged_and_still_a_png() -> None:
    said = PngInfo()
    said.add_text("author", "somebody")
    data = bytearray(encoded(Image.new("RGB", (4, 4)), "PNG", pnginfo=said).getvalue())
    data[data.index(b"somebody")] ^= 1
    with pytest.raises(DataError, match=r"^a\.png is truncated or damaged \(or a kind that can't be read\)"):
        read_header(io.BytesIO(data), "a.png")


@pytest.mark.parametrize("suffix", ["tiff", "ppm", "gif", "jp2", "png"])
def test_formats_are_known_by_their_content(suffix):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    file = io.BytesIO()
    options = {"irreversible": False} if suffix == "jp2" else {}
    Image.fromarray(grey).save(file, {"jp2": "JPEG2000"}.get(suffix, suffix.upper()), **options)
    file.seek(0)
    assert np.array_equal(decode(file, f"x.{suffix}", grey=True)[0], grey)


def test_12_bits_in_a_16_bit_png_by_their_range():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    twelve = Image.fromarray((grey.astype("uint32") * 4095 // 255).astype("uint16"))
    right = np.rint(np.asarray(twelve, np.float64) * 255 / 4095)
    assert np.array_equal(pixels_of(encoded(twelve), values=(0, 4095))[0], right)


def test_floats_of_a_tiff_are_read_in_0_to_1_or_by_their_range():
    grey = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "TIFF")
    file.seek(0)
    assert np.array_equal(decode(file, "x", grey=True)[0], np.rint(grey.astype(float) * 255))
    file = io.BytesIO()
    Image.fromarray(grey * 1000 - 500).save(file, "TIFF")
    file.seek(0)
    with pytest.raises(DataError, match=r"from -500 to 500, outside \[0, 1\].*--range LOW HIGH"):
        decode(file, "x", grey=True)
    file.seek(0)
    assert abs(decode(file, "x", grey=True, values=(-500, 500))[0].astype(int) - np.rint(grey * 255)).max() <= 1


def test_dicom_is_refused_with_what_to_do():
    with pytest.raises(DataError, match="DICOM file.*convert it to PNG"):
        decode(io.BytesIO(bytes(128) + b"DICM" + bytes(100)), "x.dcm", grey=True)


def test_more_pixels_than_admitted_are_refused_with_the_flag():
    with pytest.raises(DataError, match=r"x is 5x4, more than 19 pixels.*--max-pixels 20"):
        decode(encoded(Image.fromarray(np.zeros((4, 5), np.uint8))), "x", grey=True, max_pixels=19)
    decode(encoded(Image.fromarray(np.zeros((4, 5), np.uint8))), "x", grey=True, max_pixels=20)


def test_a_huge_image_is_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_header(encoded(Image.fromarray(np.zeros((10_000, 10_000), np.uint8))), "x").height == 10_000


def special() -> dict[str, io.BytesIO]:
    """Files whose pixels other packages read otherwise than genkit: Pillow's ``convert("RGB")`` and nothing else."""
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (4, 6, 4), dtype=np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    palette = rgba.convert("RGB").quantize(8)
    return {
        "alpha": encoded(rgba),
        "grey and alpha": encoded(rgba.convert("LA")),
        "palette": encoded(palette, transparency=0),
        "turned": encoded(rgba.convert("RGB"), exif=turned),
        "16 bits": encoded(Image.fromarray(rng.integers(0, 65536, (4, 6)).astype(np.uint16))),
        "float": encoded(Image.fromarray(rng.uniform(0, 300, (4, 6)).astype(np.float32)), "TIFF"),
    }


@pytest.mark.parametrize("kind", special())
def test_decoding_rgb_is_pillows_conversion_alone(kind: str) -> None:
    file = special()[kind]
    header = read_header(file, "x", decoding="rgb")
    file.seek(0)
    expected = np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)
    file.seek(0)
    found = decode(file, "x", grey=header.grey, decoding="rgb")
    assert (header.height, header.width) == (4, 6) == found.shape[1:]
    assert header.special
    assert np.array_equal(np.broadcast_to(found, expected.shape), expected)


def test_plain_images_are_read_alike_by_both_decodings() -> None:
    for mode in ("L", "RGB", "1", "P", "CMYK"):
        values = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
        file = encoded(Image.fromarray(values).convert(mode), "TIFF")
        header = read_header(file, "x")
        assert header.special == ()
        other, one = (decode(file, "x", grey=header.grey, decoding=rules) for rules in ("rgb", "genkit"))
        assert np.array_equal(other, one)


def deep_colour(values) -> io.BytesIO:
    """A PNG of 16-bit colour, as its specification says; Pillow writes none."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_16_bit_colour_keeps_its_high_byte_and_has_no_range():
    values = np.arange(48).reshape(4, 4, 3) * 1000
    file = deep_colour(values)
    assert np.array_equal(decode(file, "x", grey=False), (values >> 8).transpose(2, 0, 1))
    with pytest.raises(DataError, match="x has 16-bit colour, .*save it with 8 bits"):
        decode(deep_colour(values), "x", grey=False, values=(0, 4095))


def test_colour_of_few_bits_in_16_and_floats_cut_to_levels_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for folder in ("twelve", "floats"):
        (tmp_path / folder).mkdir()
    for index in range(3):
        (tmp_path / "twelve" / f"{index}.png").write_bytes(deep_colour(random.integers(0, 4096, (4, 4, 3))).getvalue())
        Image.fromarray(random.random((4, 4), np.float32)).save(tmp_path / "floats" / f"{index}.tiff")
    said = "16-bit values reach level 15 of 255: save them with 8 bits"
    assert open_images(str(tmp_path / "twelve")).notes == (said,)
    floats = open_images(str(tmp_path / "floats"), decoding="rgb")
    assert floats.everything().pixels.max() == 0
    assert "floats are cut to whole levels, [0, 1] to black" in floats.notes[0]
    assert open_images(str(tmp_path / "floats")).notes == ()


@pytest.mark.parametrize("form", ["gif", "png", "tif", "webp"])
def test_of_several_frames_the_first_is_read_and_that_is_said(tmp_path: Path, form: str) -> None:
    first, second = (Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (0, 255))
    first.save(tmp_path / f"a.{form}", save_all=True, append_images=[second])
    first.save(tmp_path / f"b.{form}")
    data = open_images(f"folder:{tmp_path}")
    assert data.notes == (f"of 1 files with several frames the first is read, such as a.{form}",)
    assert np.asarray(data.everything().pixels).max() == 0
