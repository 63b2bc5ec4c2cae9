from __future__ import annotations

import shutil
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from genkit.data import ImageDataset
from genkit.data.archive import zip_archive
from genkit.data.folder import folder
from genkit.data.open import dataset_of
from genkit.data.source import DatasetRequest
from genkit.data.zip_directory import ZipDirectory
from genkit.errors import DataError, MissingError

Photos = Callable[..., Path]


def opened(path: Path, **how: Any) -> ImageDataset:
    return dataset_of(zip_archive(DatasetRequest(str(path), **how)), f"zip:{path}")


def packed_zip(photos: Path) -> Path:
    return Path(shutil.make_archive(str(photos), "zip", photos))


@pytest.fixture
def sound(photos: Photos) -> Path:
    return packed_zip(photos("a/1.png", "a/2.png", "b/3.png"))


def with_member(path: Path, info: zipfile.ZipInfo, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, data)
    return path


def test_a_zip_holds_what_its_folder_holds(photos: Photos) -> None:
    path = photos("a/1.png", "a/2.png", "b/3.png", "a/notes.txt")
    same = dataset_of(folder(DatasetRequest(str(path))), "folder")
    found = opened(packed_zip(path))
    assert found.sha256 == same.sha256
    assert found.classes == ("a", "b")


def test_a_folder_around_everything_is_looked_through(photos: Photos) -> None:
    path = photos("in/cat/1.png", "in/dog/2.png")
    assert opened(packed_zip(path)).classes == ("cat", "dog")


def test_nothing_is_unpacked_to_disk(sound: Path) -> None:
    before = sorted(sound.parent.rglob("*"))
    opened(sound)
    assert sorted(sound.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../up.png", "climbs out"),
        ("a/../../up.png", "climbs out"),
        ("..\\up.png", "climbs out"),
        ("/etc/x.png", "absolute"),
        ("\\x.png", "absolute"),
        ("C:\\x.png", "absolute"),
        ("c:x.png", "absolute"),
        ("a/1.png", "twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_harmful_names_are_refused_even_when_skipping(sound: Path, name: str, fault: str) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = name
    with pytest.raises(DataError, match=rf"its member .*{fault}"):
        opened(with_member(sound, info), skip_bad=True)


def test_links_are_refused(sound: Path) -> None:
    info = zipfile.ZipInfo("a/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match=r"'a/link.png' is a link"):
        opened(with_member(sound, info, b"/etc/hostname"))


def test_encrypted_members_are_refused(sound: Path) -> None:
    data = bytearray(sound.read_bytes())
    directory = data.index(b"PK\x01\x02")
    name = data.index(b"a/1.png", directory) - 46
    data[name + 8] |= 1
    sound.write_bytes(data)
    with pytest.raises(DataError, match=r"'a/1.png' is encrypted"):
        opened(sound)


def test_a_member_that_claims_too_much_is_refused(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genkit.data.tree.image_bytes", lambda pixels: 1000)
    info = zipfile.ZipInfo("a/bomb.png")
    info.compress_type = zipfile.ZIP_DEFLATED
    with pytest.raises(DataError, match=r"'a/bomb.png' claims 100,000 bytes"):
        opened(with_member(sound, info, bytes(100_000)))


def test_members_that_share_their_bytes_are_refused_before_all_are_listed(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(ZipDirectory, "keep", lambda _, info: kept.append(info))
    path = tmp_path / "overlap.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("1000.png", (photos("1.png") / "1.png").read_bytes())
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entries = b"".join(data[start:end].replace(b"1000.png", b"%d.png" % n) for n in range(1000, 1100))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 100, 100, len(entries), start, 0)
    path.write_bytes(data[:start] + entries + tail)
    with pytest.raises(DataError, match="members that overlap"):
        opened(path)
    assert len(kept) == 1


@pytest.mark.parametrize("keep", [0, 30, 300])
def test_a_truncated_zip_is_named(sound: Path, keep: int) -> None:
    sound.write_bytes(sound.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"photos\.zip is not a readable zip"):
        opened(sound)


def test_a_name_that_is_there_twice_is_found_before_millions_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genkit.data.archive._LOOK", 2)
    fault = mock.Mock(return_value="")
    monkeypatch.setattr("genkit.data.archive._fault", fault)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as file:
        for name in ("1.png", "1.png", "2.png", "3.png"):
            file.writestr(name, b"")
    with pytest.raises(DataError, match="'1.png' appears twice"):
        opened(tmp_path / "twice.zip")
    assert fault.call_count == 2


def test_a_damaged_member_is_named_or_skipped(photos: Photos) -> None:
    path = photos("1.png", "2.png", "3.png")
    zipped = path.parent / "stored.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        for name in ("1.png", "2.png", "3.png"):
            file.write(path / name, name)
    data = bytearray(zipped.read_bytes())
    data[data.index(b"2.png") + 60] ^= 0xFF
    zipped.write_bytes(data)
    with pytest.raises(DataError, match=r"stored\.zip/2\.png can't be unpacked \(Bad CRC-32"):
        opened(zipped)
    assert opened(zipped, skip_bad=True).skipped == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_any_packing_is_named_or_skipped(photos: Photos, method: int) -> None:
    path = photos("1.png", "2.png", "3.png")
    zipped = path.parent / "packed.zip"
    with zipfile.ZipFile(zipped, "w", method) as file:
        for name in ("1.png", "2.png", "3.png"):
            file.write(path / name, name)
    data = bytearray(zipped.read_bytes())
    start = data.index(b"2.png") + len("2.png")
    data[start + 5 : start + 40] = b"\xff" * 35
    zipped.write_bytes(data)
    with pytest.raises(DataError, match=r"packed\.zip/2\.png can't be unpacked"):
        opened(zipped)
    assert opened(zipped, skip_bad=True).skipped == 1


def test_a_missing_zip_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"there is no .*none\.zip"):
        opened(tmp_path / "none.zip")


def test_a_zip_of_no_images_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(DataError, match="holds no images"):
        opened(tmp_path / "empty.zip")


def test_real_colour_jpegs_of_ten_classes(shared_data: Path) -> None:
    data = opened(shared_data / "cifar10-jpeg-5k.zip")
    assert data.info().shape == (3, 32, 32)
    assert data.classes[:2] == ("airplane", "automobile")
    whole = data.everything()
    assert whole.labels is not None
    assert np.bincount(whole.labels).tolist() == [500] * 10
    assert 900 < len(data.test) < 1100
    assert 100 < whole.pixels.mean() < 140
