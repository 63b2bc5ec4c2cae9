"""Tests mnist and idx of genkit.data."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from genkit.data import mnist, open_dataset
from genkit.data.idx import parse_idx, read_bytes
from genkit.errors import DataError, MissingError


def idx(values: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def test_idx_gives_back_what_was_written() -> None:
    assert np.array_equal(parse_idx(idx(PIXELS), Path("x")), PIXELS)


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(gzip.compress(idx(PIXELS)))
    assert read_bytes(tmp_path / "raw") == idx(PIXELS)


@pytest.mark.parametrize("cut", [1, 10, 23])
def test_a_short_idx_is_named(cut: int) -> None:
    with pytest.raises(DataError, match=r"part-1 holds .* where its header says 24"):
        parse_idx(idx(PIXELS)[:-cut], Path("part-1"))


def test_a_long_idx_is_refused() -> None:
    with pytest.raises(DataError, match="25 values where its header says 24"):
        parse_idx(idx(PIXELS) + b"x", Path("x"))


@pytest.mark.parametrize("data", [b"", b"\0\0", b"PNG\r....", b"\0\0\x0d\x01" + bytes(8), b"\0\0\x08\x00"])
def test_other_files_are_no_idx(data: bytes) -> None:
    with pytest.raises(DataError, match="not an idx file of unsigned bytes"):
        parse_idx(data, Path("x"))


def test_a_cut_header_is_truncated() -> None:
    with pytest.raises(DataError, match="truncated within its header"):
        parse_idx(idx(PIXELS)[:9], Path("x"))


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.gz").write_bytes(gzip.compress(idx(PIXELS))[:-12])
    with pytest.raises(DataError, match=r"t\.gz is truncated or damaged"):
        read_bytes(tmp_path / "t.gz")


def test_files_of_the_same_format_but_other_data_are_refused(tmp_path: Path) -> None:
    other = np.zeros((60_000, 28, 28), dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(other))
    with pytest.raises(DataError, match="is not MNIST's train-images-idx3-ubyte, its sha256 differs"):
        open_dataset("mnist", data_root=tmp_path)


def test_files_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS)))
    with pytest.raises(DataError, match=r"holds an array of \(4, 2, 3\)"):
        open_dataset("mnist", data_root=tmp_path)


def test_offline_says_what_is_missing_and_where_it_goes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(MissingError, match=r"MNIST's train-images-idx3-ubyte.gz is not on this machine") as caught:
        open_dataset("mnist")
    assert str(cache / "downloads" / "mnist" / "train-images-idx3-ubyte.gz") in str(caught.value)


def test_offline_says_that_the_data_root_was_searched_or_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(MissingError, match=rf"; the data root {tmp_path} does not have it either$"):
        open_dataset("mnist", data_root=tmp_path)
    with pytest.raises(MissingError, match=rf"; the data root {tmp_path / 'nope'} does not exist$"):
        open_dataset("mnist", data_root=tmp_path / "nope")


def test_real_mnist_in_its_own_split(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_DATA", str(shared_data))
    data = open_dataset("mnist")
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.info().shape == (1, 28, 28)
    assert data.train.labels is not None
    assert data.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert abs(np.asarray(data.train.pixels[:]).mean() / 255 - 0.1307) < 1e-4
    monkeypatch.delenv("GENKIT_DATA")
    assert open_dataset("mnist").sha256 == data.sha256
