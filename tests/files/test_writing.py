"""Atomic writes: readers see the old content or the new."""

from __future__ import annotations

import os

import pytest

from genkit.files.writing import write_atomic


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
