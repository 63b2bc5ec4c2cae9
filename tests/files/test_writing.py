"""Atomic writes: readers see the old content or the new, and modes obey the umask."""

from __future__ import annotations

import os
import signal

import pytest
from forks import forked

from genkit.files.writing import publishing, replacing, write_atomic, write_together


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    for broken in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, full)
            with pytest.raises(OSError, match="No space"):
                write_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["x"]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_modes_obey_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "file", b"x")
        with replacing(tmp_path / "other") as temporary:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors makes it
        with publishing(tmp_path / "folder") as folder:
            (folder / "inside").write_bytes(b"x")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    file, folder = 0o666 & ~umask, 0o777 & ~umask
    assert modes == {"file": file, "other": file, "folder": folder, "inside": file}


def test_names_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ("é" * 127)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_failure_publishes_nothing(tmp_path):
    for context in (replacing, publishing):
        with pytest.raises(ValueError, match="stop"), context(tmp_path / "x"):
            raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("last", range(3))
def test_files_that_belong_together_are_replaced_after_all_are_written(tmp_path, last):
    """A process that is killed at one of its two writes leaves both old files, one that is not killed both new ones."""
    one, two = tmp_path / "one", tmp_path / "two"
    write_together({one: b"old", two: b"old"})
    calls = 0
    sync = os.fsync

    def die(descriptor):
        nonlocal calls
        calls += 1
        if calls > last:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    def work():
        os.fsync = die
        write_together({one: b"new", two: b"new"})

    assert forked(work) == (-signal.SIGKILL if last < 2 else 0)
    assert one.read_bytes() == two.read_bytes() == (b"new" if last > 1 else b"old")
