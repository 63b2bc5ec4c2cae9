"""Members in bzip2 and LZMA are unpacked as far as they are read, with the content and the errors of zipfile."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from memory import peak

from genkit.files.reading import BROKEN_ZIP
from genkit.files.unpacking import member

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
TEXT = b"".join(b"%d " % number for number in range(30_000)) + random.Random(0).randbytes(200_000)


def packed(method: int, data: bytes = TEXT) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("before", b"x")
        archive.writestr("a", data)
    return file.getvalue()


def unpacked(data: bytes, *sizes: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive, member(archive, archive.getinfo("a")) as file:
        return b"".join(file.read(size) for size in sizes) + file.read()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", [(), (1, 7, 0, 100_000), (10**9,)])
def test_a_member_is_what_was_packed(method: int, sizes: tuple[int, ...]) -> None:
    assert unpacked(packed(method), *sizes) == TEXT
    assert unpacked(packed(method, b""), *sizes) == b""


@pytest.mark.parametrize("method", METHODS[2:])
def test_of_what_unpacks_to_much_no_more_is_unpacked_than_is_read(method: int) -> None:
    data = packed(method, bytes(120_000_000))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        said, taken = peak(lambda: member(archive, archive.getinfo("a")).read(1000))
    assert not said and taken < 60_000_000


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_member_is_refused(method: int) -> None:
    data, rng = packed(method), random.Random(1)
    start = data.index(b"PK\x03\x04", 4) + 50
    for _ in range(20):
        place = rng.randrange(start, len(data) - 300)
        changed = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        with pytest.raises(BROKEN_ZIP):
            unpacked(changed)


@pytest.mark.parametrize("method", METHODS[2:])
@pytest.mark.parametrize("size", [0, 1000, len(TEXT) + 1])
def test_a_size_that_is_not_the_members_is_no_other_content(method: int, size: int) -> None:
    data = bytearray(packed(method))
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = size.to_bytes(4, "little")
    if size > len(TEXT):
        assert unpacked(bytes(data)) == TEXT
    else:
        with pytest.raises(zipfile.BadZipFile, match="CRC"):
            unpacked(bytes(data))


def test_lzma_that_asks_for_much_memory_is_refused() -> None:
    data = packed(zipfile.ZIP_LZMA)
    settings = data.rindex(b"\x05\x00\x5d") + 3
    with pytest.raises(BROKEN_ZIP, match="more memory than is given"):
        unpacked(data[:settings] + b"\xff\xff\xff\xff" + data[settings + 4 :])
