"""Spools: rows written front to back, whole after a crash up to where they were synced."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest

from genkit.errors import DataError
from genkit.features import spool as spool_module
from genkit.features.spool import Spool


def rows(start, stop):
    return {"a": np.arange(start, stop, dtype=np.float32)[:, None] * [1, 2], "b": np.arange(start, stop)}


@pytest.fixture(autouse=True)
def always_sync(monkeypatch):
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", -1.0)


def written(folder, *stops, count=10):
    spool = Spool.at(folder, count)
    start = spool.done
    for stop in stops:
        spool.append(rows(start, stop))
        start = stop
    return spool


def test_arrays_come_back_whole_and_memory_mapped(tmp_path):
    spool = written(tmp_path / "s", 4, 8, 10)
    found = spool.arrays()
    np.testing.assert_array_equal(found["a"], rows(0, 10)["a"])
    np.testing.assert_array_equal(found["b"], rows(0, 10)["b"])
    assert isinstance(found["a"], np.memmap)
    assert Spool.at(tmp_path / "s", 10).complete


def test_what_was_written_behind_the_last_sync_is_written_again(tmp_path, monkeypatch):
    first = written(tmp_path / "s", 4)
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", 1e9)
    first.append({"a": np.full((3, 2), 99.0), "b": np.full(3, 99)})
    for file in first._files.values():
        file.flush()
    first._lock.release()
    for file in first._files.values():
        file.close()
    second = Spool.at(tmp_path / "s", 10)
    assert second.done == 4
    second.append(rows(4, 10))
    np.testing.assert_array_equal(second.arrays()["a"], rows(0, 10)["a"])


@pytest.mark.parametrize("damage", ["count", "short", "garbage"])
def test_a_spool_that_does_not_fit_begins_anew(tmp_path, damage):
    written(tmp_path / "s", 4).close()
    if damage == "short":
        with open(tmp_path / "s" / "a.npy", "r+b") as file:
            file.truncate(130)
    if damage == "garbage":
        (tmp_path / "s" / "progress.json").write_text(json.dumps({"done": "x"}))
    spool = Spool.at(tmp_path / "s", 11 if damage == "count" else 10)
    assert spool.done == 0
    spool.close()


def test_two_writers_do_not_meet(tmp_path):
    first = written(tmp_path / "s", 4)
    second = written(tmp_path / "s", 10)
    assert second.folder != first.folder
    first.append(rows(4, 10))
    np.testing.assert_array_equal(first.arrays()["a"], second.arrays()["a"])


def test_closing_keeps_what_is_there_and_removing_does_not(tmp_path):
    written(tmp_path / "s", 4).close()
    again = Spool.at(tmp_path / "s", 10)
    assert again.done == 4
    again.close(remove=True)
    assert not (tmp_path / "s").exists()


def test_a_full_disk_and_a_removed_folder_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", 0.0)
    spool = Spool.at(tmp_path / "a", 10)
    spool.append(rows(0, 4))
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(DataError, match=r"can't be kept in .*: No such file.*; make room there or set GENKIT_CACHE"):
        spool.append(rows(4, 7))
    spool.close()
    spool = Spool.at(tmp_path / "b", 10)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool_module, "write_atomic", full)
    with pytest.raises(DataError, match="No space left on device; make room"):
        spool.append(rows(0, 10))


def test_features_removed_after_the_pass_are_one_sentence(tmp_path):
    spool = Spool.at(tmp_path / "a", 10)
    spool.append(rows(0, 10))
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(DataError, match="can't be kept in"):
        spool.arrays()


@pytest.mark.parametrize("stops", [(4,), (4, 10)], ids=["interrupted", "whole"])
@pytest.mark.parametrize("name", ["a.npy", "b.npy", "progress.json"])
def test_a_flip_anywhere_discards_the_rows_and_is_said(tmp_path, caplog, stops, name):
    written(tmp_path / "s", *stops).close()
    path = tmp_path / "s" / name
    data, times = path.read_bytes(), path.stat()
    last = len(data) - 2 if name.endswith("json") else len(data) - 1
    for place in (0, 20, len(data) // 2, last):
        flipped = bytearray(data)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        (tmp_path / "s" / "gaussian.safetensors").write_bytes(b"of the damaged rows, perhaps")
        caplog.clear()
        spool = Spool.at(tmp_path / "s", 10)
        assert spool.done == 0, place
        assert [name in message for message in caplog.messages] == [True]
        assert "damaged, and extracted again" in caplog.text
        assert not (tmp_path / "s" / "gaussian.safetensors").exists()
        spool.close()
    path.write_bytes(data)
    assert Spool.at(tmp_path / "s", 10).done == stops[-1]


def test_rows_of_before_hold_no_hash_and_are_read(tmp_path):
    written(tmp_path / "s", 4, 10).close()
    path = tmp_path / "s" / "progress.json"
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps({key: facts[key] for key in ("count", "done", "arrays")}))
    assert Spool.at(tmp_path / "s", 10).complete
