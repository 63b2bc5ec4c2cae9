"""What a picture's file says of its making: texts of PNG files, and XMP, EXIF and C2PA of PNG, JPEG and WebP.

The pixels are skipped, not decoded. Files are hostile: no text is longer than ``TEXT`` bytes unpacked, and no more than
``PARTS`` parts of a file are looked at. XMP is searched, not parsed as XML.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

TEXT = 1 << 20
"""Most bytes of a text; a longer one is not read."""

PARTS = 100_000
"""Most chunks or segments of a file that are looked at."""

OWN, PARAMETERS, XMP = "genkit", "parameters", "XML:com.adobe.xmp"
"""Keywords of a PNG's texts: genkit's own, the one that many image generators write, and XMP."""

_TOOLS = {"prompt": ("ComfyUI", '"class_type"'), "invokeai_metadata": ("InvokeAI", ""), "sd-metadata": ("InvokeAI", "")}
"""The keywords of other generators, and what a text under them must hold."""

GENERATED = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
"""IPTC's digital source types of what a generative model made, whole or in part."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_SOURCE = re.compile(r"DigitalSourceType[^<>]{0,100}?[\"'>]\s*([^\s\"'<>]{1,200})")
_CLAIM = re.compile(rb"digitalsourcetype/((?:compositeWithT|t)rainedAlgorithmicMedia)")
_USER_COMMENT = 0x9286


@dataclass(frozen=True)
class PictureMetadata:
    """The texts of a picture by keyword, as in PNG, its IPTC digital source type, and that in its C2PA claim.

    The source types are the last parts of their addresses, such as ``trainedAlgorithmicMedia``; empty if there is none.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    source_type: str = ""
    claim: str = ""

    @property
    def tool(self) -> str:
        """Another generator that left its own text here, or an empty string."""
        return next((name for key, (name, due) in _TOOLS.items() if key in self.texts and due in self.texts[key]), "")

    @property
    def generated_by(self) -> str:
        """What says that the picture was generated: "genkit", "XMP", "C2PA", "parameters" or a tool; else empty."""
        says = {
            OWN: OWN in self.texts,
            "XMP": self.source_type in GENERATED,
            "C2PA": self.claim in GENERATED,
            PARAMETERS: "Steps: " in self.texts.get(PARAMETERS, ""),
        }
        return next((name for name, applies in says.items() if applies), self.tool)


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a PNG file with texts by keyword, before its pixels."""
    start = len(_PNG) + 25  # behind IHDR, the first chunk
    return png[:start] + b"".join(_text_chunk(key, text) for key, text in texts.items()) + png[start:]


def read_metadata(file: BinaryIO) -> PictureMetadata:
    """Return what the file of a picture says of its making; nothing for other formats and for damaged files."""
    file.seek(0)
    start = file.read(12)
    texts: dict[str, str] = {}
    claim = b""
    if start.startswith(_PNG):
        found = _png(file)
    elif start.startswith(b"\xff\xd8"):
        found = _jpeg(file)
    elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
        found = _webp(file)
    else:
        found = iter(())
    for keyword, data in found:
        if keyword == "C2PA":
            claim = claim or (said[1] if (said := _CLAIM.search(data)) else b"")
        elif keyword not in texts:
            texts[keyword] = data.decode("utf-8", "replace")
    kinds = [said[1].rpartition("/")[2] for said in _SOURCE.finditer(texts.get(XMP, ""))]
    kinds.sort(key=lambda kind: kind not in GENERATED)  # stable: the first, unless a later one says more
    return PictureMetadata(texts, kinds[0] if kinds else "", claim.decode())


def _text_chunk(keyword: str, text: str) -> bytes:
    """Return a chunk that all readers know: tEXt where Latin-1 is enough, except of XMP, which is always iTXt."""
    key = keyword.encode("latin-1")
    if text.isascii() and keyword != XMP and keyword != OWN:
        kind, data = b"tEXt", key + b"\0" + text.encode()
    else:
        kind, data = b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the known texts of a PNG as UTF-8, by keyword, and the claims in it; also those behind the pixels.

    Only the first text of a keyword is unpacked: a file may hold thousands that unpack to a megabyte each.
    """
    file.seek(len(_PNG))
    due = {OWN, PARAMETERS, XMP, *_TOOLS}
    for _ in range(PARTS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"caBX") or size > TEXT:
            file.seek(size + 4, 1)
            continue
        data = file.read(size)
        file.seek(4, 1)  # its checksum
        if kind == b"caBX":
            yield "C2PA", data
            continue
        key, _, rest = data.partition(b"\0")
        keyword = key.decode("latin-1")
        if keyword in due:
            due.remove(keyword)
            if (text := _text(kind, rest)) is not None:
                yield keyword, text


def _text(kind: bytes, rest: bytes) -> bytes | None:
    """Return the text of a chunk behind its keyword as UTF-8, or None if it is damaged or too long."""
    packed = kind == b"zTXt"
    if packed:
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\x01"
        rest = b"".join(rest[2:].split(b"\0", 2)[2:])  # behind the language and the translated keyword
    if packed:
        unpacking = zlib.decompressobj()
        try:
            rest = unpacking.decompress(rest, TEXT)
        except zlib.error:
            return None
        if unpacking.unconsumed_tail:
            return None
    return rest if kind == b"iTXt" else rest.decode("latin-1").encode()


def _jpeg(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    file.seek(2)
    claim, exif = b"", False
    for _ in range(PARTS):
        marker = file.read(2)
        while marker == b"\xff\xff":  # fill bytes
            marker = b"\xff" + file.read(1)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            break
        size = int.from_bytes(file.read(2), "big") - 2
        if size < 0 or marker[1] not in (0xE1, 0xEB):
            file.seek(max(0, size), 1)
            continue
        data = file.read(size)
        if data.startswith(_JPEG_XMP):
            yield XMP, data[len(_JPEG_XMP) :]
        elif data.startswith(b"Exif\0\0") and not exif:
            exif = True
            yield from _user_comment(data)
        elif marker[1] == 0xEB and data.startswith(b"JP") and len(claim) < TEXT:
            claim += data[16:] if claim else data  # each further segment repeats the first box's header
    yield "C2PA", claim


def _webp(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    due = [b"XMP ", b"EXIF", b"C2PA"]
    for _ in range(PARTS):
        head = file.read(8)
        if len(head) < 8:
            return
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind not in due or size > TEXT:
            file.seek(size + size % 2, 1)
            continue
        due.remove(kind)
        data = file.read(size + size % 2)[:size]
        if kind == b"EXIF":
            yield from _user_comment(data)
        else:
            yield (XMP if kind == b"XMP " else "C2PA"), data


def _user_comment(exif: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the parameters that generators write into the user comment of EXIF, where a file has no text chunks."""
    if b"UNICODE\0" not in exif:
        return
    from PIL import Image

    try:
        found = Image.Exif()
        found.load(exif)
        comment = found.get_ifd(0x8769).get(_USER_COMMENT)
    except Exception:  # Pillow's parser raises anything at all on damaged data
        return
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        text = comment[8:].decode("utf-16-be", "replace")
        if "Steps: " not in text:
            text = comment[8:].decode("utf-16-le", "replace")
        yield PARAMETERS, text.encode("utf-8", "replace")
