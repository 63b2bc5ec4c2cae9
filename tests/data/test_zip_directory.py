from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from genkit.data.zip_directory import ZipDirectory

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def written(path: Path, names: list[str], *, comment: bytes = b"") -> dict[str, bytes]:
    files = {name: random.Random(name).randbytes(1 + place % 50) for place, name in enumerate(names)}
    with zipfile.ZipFile(path, "w") as archive:
        for place, (name, data) in enumerate(files.items()):
            archive.writestr(name, data, compress_type=METHODS[place % 4])
        archive.comment = comment
    return files


def read(path: Path) -> dict[str, bytes]:
    directory = ZipDirectory(path)
    try:
        for info in directory.entries():
            directory.keep(info)
        return {name: directory.content(place, 1000) for place, name in enumerate(directory.names)}
    finally:
        directory.close()


def test_all_members_are_found_in_order_over_several_parts_of_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    files = written(path, [f"{'long' * 30}/{index}-ä.png" for index in range(3000)])
    found = read(path)
    assert list(found) == list(files) and found == files


@pytest.mark.parametrize("comment", [b"", b"said", b"PK\5\6" + bytes(30)], ids=["none", "a comment", "a false end"])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n" * 9], ids=["alone", "behind a script"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "ZIP64"])
def test_it_reads_what_zipfile_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comment: bytes, before: bytes, large: bool
) -> None:
    if large:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = tmp_path / "a.zip"
    files = written(path, ["a.png", "b/c.png", "b/ä.png"], comment=comment)
    path.write_bytes(before + path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        expected = {name: archive.read(name) for name in archive.namelist()}
    assert read(path) == expected
    assert expected == files or comment.startswith(b"PK")  # which zipfile takes for the end, too


def test_a_backslash_is_a_slash_and_its_member_is_still_found(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = "a\\b.png"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"data")
    assert read(path) == {"a/b.png": b"data"}


def test_a_member_that_holds_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1001))
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        read(path)


def test_more_members_than_memory_holds_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a.zip", ["a", "b"])
    monkeypatch.setattr("genkit.data.zip_directory._MEMBER", 1 << 30)
    with pytest.raises(OSError, match=r"lists more than 1 members, and would take .* GENKIT_MAX_MEMORY can raise"):
        read(tmp_path / "a.zip")


DAMAGE: dict[str, Any] = {
    "cut": lambda data: data[: len(data) // 2],
    "no entry": lambda data: data.replace(b"PK\1\2", b"PK\1\3"),
    "a size beyond the file": lambda data: data[:-10] + b"\xff\xff\xff\x7f" + data[-6:],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_directory_is_no_zip(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.zip"
    written(path, ["a.png", "b.png"])
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(zipfile.BadZipFile):
        read(path)
