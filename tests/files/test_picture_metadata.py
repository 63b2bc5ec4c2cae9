"""What a picture's file says of its making, in files as other programs write them, and in damaged and hostile ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genkit.files.picture_metadata import PARTS, TEXT, XMP, PictureMetadata, read_metadata, with_texts

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PARAMETERS = "a red 3\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8, Model hash: 0123456789, Model: sd"
PIXELS = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))


def saved(kind="PNG", **options):
    buffer = io.BytesIO()
    PIXELS.convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def texts(**chunks):
    info = PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value)
    return saved(pnginfo=info)


def packet(source):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description {source}/></rdf:RDF></x:xmpmeta>'


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def jpeg_with(xmp):
    body = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    return with_segments(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)


def with_segments(data):
    jpeg = saved("JPEG")
    return jpeg[:2] + data + jpeg[2:]


def behind_the_pixels(png, *chunks):
    return png[:-12] + b"".join(chunks) + png[-12:]


def read(data):
    return read_metadata(io.BytesIO(data))


def test_texts_are_read_back_by_this_module_and_by_pillow():
    png = with_texts(saved(), {"genkit": '{"seed": 3}', "parameters": "ein grünes Bild", XMP: "<x/>"})
    assert read(png).texts == {"genkit": '{"seed": 3}', "parameters": "ein grünes Bild", XMP: "<x/>"}
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.text["parameters"] == "ein grünes Bild"
        assert np.array_equal(np.asarray(image), np.asarray(PIXELS.convert("RGB")))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (texts(parameters=PARAMETERS), "parameters"),
        (texts(prompt='{"3": {"class_type": "KSampler", "inputs": {}}}'), "ComfyUI"),
        (texts(invokeai_metadata='{"seed": 1}'), "InvokeAI"),
        (jpeg_with(packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"')), "XMP"),
        (saved("WEBP", xmp=packet(f"e:DigitalSourceType='{IPTC}trainedAlgorithmicMedia'").encode()), "XMP"),
        (saved("JPEG"), ""),
        (texts(parameters="of the camera", prompt="a caption", Software="paint"), ""),
        (jpeg_with(packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}digitalCapture"')), ""),
        (saved("GIF"), ""),
    ],
)
def test_what_says_that_a_picture_is_generated(data, expected):
    assert read(data).generated_by == expected


@pytest.mark.parametrize(
    "element",
    [
        f"<e:DigitalSourceType>{IPTC}compositeWithTrainedAlgorithmicMedia</e:DigitalSourceType>",
        f'<e:DigitalSourceType rdf:resource="{IPTC}compositeWithTrainedAlgorithmicMedia"/>',
        f"<e:DigitalSourceType>\n  {IPTC}compositeWithTrainedAlgorithmicMedia\n</e:DigitalSourceType>",
    ],
)
def test_all_forms_of_a_property_of_xmp_are_read(element):
    png = with_texts(saved(), {XMP: f"<rdf:Description>{element}</rdf:Description>"})
    assert read(png).source_type == "compositeWithTrainedAlgorithmicMedia"
    assert read(png).generated_by == "XMP"


def test_xmp_behind_the_pixels_is_found_as_exiftool_writes_it_there():
    text = packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"')
    png = behind_the_pixels(saved(), chunk(b"iTXt", XMP.encode() + b"\0\0\0\0\0" + text.encode()))
    assert read(png).generated_by == "XMP"


def test_parameters_in_exif_are_read_from_jpeg_and_webp():
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + PARAMETERS.encode("utf-16-be")}
    for kind in ("JPEG", "WEBP"):
        found = read(saved(kind, exif=exif))
        assert found.texts["parameters"] == PARAMETERS and found.generated_by == "parameters"


def test_a_claim_of_c2pa_is_found_in_png_and_in_segments_of_jpeg():
    claim = b"jumbc2pa" + bytes(80_000) + IPTC.encode() + b"trainedAlgorithmicMedia"
    assert read(behind_the_pixels(saved(), chunk(b"caBX", claim))).generated_by == "C2PA"
    head = b"JP\0\1"
    cut = claim.index(b"trained")  # the address lies across two segments
    parts = [claim[:40_000], claim[40_000:cut], claim[cut:]]
    bodies = [head + struct.pack(">I", number + 1) + b"\0\1\0\0jumb" + part for number, part in enumerate(parts)]
    segments = b"".join(b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body for body in bodies)
    assert read(with_segments(segments)).generated_by == "C2PA"
    of_a_camera = claim.replace(b"trainedAlgorithmicMedia", b"digitalCapture")
    assert read(behind_the_pixels(saved(), chunk(b"caBX", of_a_camera))).generated_by == ""


def test_packed_texts_are_unpacked_up_to_a_limit():
    packed = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(PARAMETERS.encode()))
    assert read(behind_the_pixels(saved(), packed)).texts["parameters"] == PARAMETERS
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(64 * TEXT)))
    of_itxt = chunk(b"iTXt", b"genkit\0\1\0\0\0" + zlib.compress(bytes(64 * TEXT)))
    assert read(behind_the_pixels(saved(), bomb, of_itxt)) == PictureMetadata()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        saved()[:40],
        behind_the_pixels(saved(), chunk(b"iTXt", b"genkit")),
        behind_the_pixels(saved(), chunk(b"zTXt", b"genkit\0\0no zlib")),
        behind_the_pixels(saved(), struct.pack(">I", 0xFFFFFFFF) + b"tEXtgenkit\0"),
        behind_the_pixels(saved(), chunk(b"tEXt", b"genkit\0" + bytes(TEXT))),
        b"\xff\xd8\xff\xe1\0\0",
        b"\xff\xd8\xff\xe1\xff\xff" + b"http://ns.adobe.com/xap/1.0/",
        b"RIFF\0\0\0\0WEBPXMP \xff\xff\xff\xff",
        b"RIFF\0\0\0\0WEBPEXIF\x10\0\0\0UNICODE\0UNICODE\0",
    ],
)
def test_damaged_files_say_nothing(data):
    found = read(data)
    assert not found.generated_by or found.texts == {"genkit": ""}


def test_a_file_of_a_million_chunks_is_not_read_to_its_end():
    png = saved()
    reads = 0

    class Counting(io.BytesIO):
        def read(self, size=-1):
            nonlocal reads
            reads += 1
            return super().read(size)

    read_metadata(Counting(png[:-12] + chunk(b"zzZz", b"") * 1_000_000))
    assert reads <= PARTS + 10


def test_a_thousand_texts_of_a_keyword_are_not_unpacked(monkeypatch):
    unpacked = []
    decompressobj = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", lambda: unpacked.append(1) or decompressobj())
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(64 * TEXT)))
    assert read(behind_the_pixels(saved(), *[bomb] * 1000)) == PictureMetadata()
    assert len(unpacked) == 1


def test_only_the_first_exif_of_a_file_is_parsed(monkeypatch):
    parsed = []
    monkeypatch.setattr(Image.Exif, "load", lambda self, data: parsed.append(data))
    body = b"Exif\0\0UNICODE\0"
    read(with_segments((b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body) * 100))
    read(b"RIFF\0\0\0\0WEBP" + (b"EXIF" + struct.pack("<I", 8) + b"UNICODE\0") * 100)
    assert len(parsed) == 2


def test_the_first_of_two_texts_counts():
    first = with_texts(with_texts(saved(), {"genkit": "second"}), {"genkit": "first"})
    assert read(first).texts["genkit"] == "first"
