"""Hashes of kept files: a flipped bit is found, times put back or not, and large files are hashed once a day."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load, save

from genkit.files import integrity
from genkit.files.integrity import Damaged, check_sealed, sealed, sealed_bytes, sealing_metadata, unchanged, unsealed


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def counted(monkeypatch):
    """A hash that remembers which files it was asked for."""
    asked = []

    def hashed(path):
        asked.append(path.name)
        return integrity.sha256_file(path)

    return hashed, asked


def flip(path, place):
    """Flip the lowest bit of one byte and put the times back."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_parts_of_a_file_are_hashed_one_after_the_other(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abcdef")
    (tmp_path / "b").write_bytes(b"cd")
    assert integrity.sha256_parts(path, [2, 2])[1] == integrity.sha256_file(tmp_path / "b")


def test_a_small_file_is_hashed_whenever_it_is_loaded(tmp_path, counted):
    hashed, asked = counted
    path = tmp_path / "a"
    path.write_bytes(b"some content")
    right = integrity.sha256_file(path)
    assert unchanged(path, right, hashed) and unchanged(path, right, hashed) and len(asked) == 2
    for place in (0, 5, -1):
        flip(path, place)
        assert not unchanged(path, right)
        flip(path, place)
    assert unchanged(path, right)


def test_a_large_file_is_hashed_once_a_day_unless_it_changes(tmp_path, cache, monkeypatch, counted):
    hashed, asked = counted
    monkeypatch.setattr(integrity, "LARGE", 4)
    path = tmp_path / "a"
    path.write_bytes(b"some content")
    right = integrity.sha256_file(path)
    assert all(unchanged(path, right, hashed) for _ in range(3)) and len(asked) == 1
    assert not unchanged(path, "0" * 64, hashed) and len(asked) == 2
    (mark,) = (cache / "checked").iterdir()
    for age in (integrity.DAY + 60, -60):  # yesterday's, and one of a clock that was ahead
        then = integrity.time.time() - age
        os.utime(mark, (then, then))
        assert unchanged(path, right, hashed)
    assert len(asked) == 4
    flip(path, 3)
    assert not unchanged(path, right, hashed)


def test_marks_of_before_yesterday_are_removed_and_no_cache_is_no_harm(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(integrity, "LARGE", 4)
    (cache / "checked").mkdir(parents=True)
    (cache / "checked" / "old").touch()
    os.utime(cache / "checked" / "old", (0, 0))
    path = tmp_path / "a"
    path.write_bytes(b"some content")
    assert unchanged(path, integrity.sha256_file(path))
    assert len(list((cache / "checked").iterdir())) == 1 and not (cache / "checked" / "old").exists()
    monkeypatch.setenv("GENKIT_CACHE", str(path))
    assert unchanged(path, integrity.sha256_file(path))


def test_a_sealed_document_comes_back_and_is_checked():
    document = {"b": [1, 2.5, None], "a": {"é": "\ud800"}, "own": "x"}
    data = sealed(document)
    assert unsealed(data, "x") == document
    assert unsealed(json.dumps(document).encode(), "x") == document  # one of before
    with pytest.raises(Damaged, match="^x does not have the sha256"):
        unsealed(data.replace(b"2.5", b"3.5"), "x")
    with pytest.raises(ValueError, match="not JSON compliant"):
        sealed({"a": float("nan")})


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b"3"])
def test_what_is_no_document_is_damaged(text):
    with pytest.raises(Damaged, match="^x"):
        unsealed(text, "x")


def test_no_flip_in_a_sealed_document_changes_what_is_read():
    document = {"a": [1, 2], "b": "text"}
    data = sealed(document)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1
        try:
            read = unsealed(bytes(flipped), "x")
        except Damaged:
            continue
        assert {key: read[key] for key in document} == document, place  # the name of the hash's field, or a space


def safetensors(**arrays):
    return sealed_bytes(save(arrays, metadata=sealing_metadata({"n": 1})))


def test_every_flip_in_a_sealed_safetensors_file_is_found(tmp_path):
    path = tmp_path / "a"
    arrays = {"a": np.arange(3.0), "b": np.ones((2, 2), np.float32)}
    data = safetensors(**arrays)
    path.write_bytes(data)
    check_sealed(path)
    check_sealed(data)
    missed = []
    for place in range(len(data)):
        flip(path, place)
        try:
            check_sealed(path)
            check_sealed(path.read_bytes())
            found = load(path.read_bytes())
        except Exception:
            flip(path, place)
            continue
        flip(path, place)
        missed.append(place)
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert missed == []


def test_a_file_of_before_passes_and_a_large_one_is_hashed_once_a_day(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(save({"a": np.ones(2)}))
    check_sealed(path)
    path.write_bytes(b"")
    check_sealed(path)
    path.write_bytes(safetensors(a=np.ones(2)))
    monkeypatch.setattr(integrity, "LARGE", 4)
    check_sealed(path)
    monkeypatch.setattr(integrity, "_own_hash_of", lambda _: pytest.fail("hashed again"))
    check_sealed(path)
