from __future__ import annotations

import os
from pathlib import Path

import pytest

from genkit.paths import cache_dir, data_root, write_atomic


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    for broken in ("fsync", "replace", "chmod"):
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, full)
            with pytest.raises(OSError, match="No space"):
                write_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["x"]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_environment_names_the_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("GENKIT_CACHE")
    assert cache_dir().name == "genkit"
    monkeypatch.setenv("GENKIT_DATA", "/data")
    assert data_root() == Path("/data")
    monkeypatch.setenv("GENKIT_DATA", "")
    assert data_root() is None
