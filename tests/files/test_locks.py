"""A lock says whether the process that took it is alive."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock, Timeout
from forks import forked
from unlocked import without_locks

from genkit.files import locks
from genkit.files.locks import Held, ProcessLock, excludes, holding, waiting
from genkit.files.temporaries import sweep, temporary_file
from genkit.files.writing import write_atomic

HOLDER = """
import os, sys
from pathlib import Path
from genkit.files.locks import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
assert lock.acquire()
print("ready", flush=True)
sys.stdin.readline()
os._exit(0)
"""


def holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, None])
def test_a_lock_is_held_while_its_process_lives_however_it_ends(tmp_path, end):
    lock = ProcessLock(tmp_path / "lock")
    assert not lock.held()
    process = holder(lock.path)
    assert lock.held()
    assert not lock.acquire()
    if end is None:
        process.communicate("\n")  # os._exit
    else:
        process.send_signal(end)
        process.communicate()
    assert not lock.held()
    assert lock.acquire()
    lock.release()


def test_another_lock_of_the_same_process_is_another_holder(tmp_path):
    one, other = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    with holding(one):
        assert one.held() and other.held()
        with pytest.raises(Held), holding(other):
            pass
    assert not other.held()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_neither_keeps_nor_drops_its_parents_lock(tmp_path):
    lock = ProcessLock(tmp_path / "lock")
    with holding(lock):
        assert forked(lock.release) == 0
        assert ProcessLock(lock.path).held()
    read, write = os.pipe()
    with holding(lock):
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)  # until the parent has closed its end
            os._exit(0)
    assert not ProcessLock(lock.path).held()
    os.close(write)
    os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_childs_own_lock_of_the_same_number_is_not_its_parents(tmp_path):
    parents, of_child = ProcessLock(tmp_path / "parents"), ProcessLock(tmp_path / "of_child")

    def work():
        while os.open(os.devnull, os.O_RDONLY) < parents._descriptor:
            pass  # a lower number may have become free
        os.close(parents._descriptor)
        assert of_child.acquire() and of_child._descriptor == parents._descriptor
        parents.release()
        assert ProcessLock(of_child.path).held()

    with holding(parents):
        assert forked(work) == 0
        assert parents.held()


def test_asking_leaves_no_file_and_needs_no_right_to_write(tmp_path):
    lock = ProcessLock(tmp_path / "lock")
    assert not lock.held()
    assert list(tmp_path.iterdir()) == []


def test_whoever_may_write_the_folder_may_take_the_lock(tmp_path):
    before = os.umask(0o002)
    try:
        with holding(ProcessLock(tmp_path / "lock")):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o664


def test_without_locks_nothing_is_taken_and_nothing_young_is_swept(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    with temporary_file(tmp_path / "x") as living:
        monkeypatch.setattr("fcntl.flock", none)
        assert sweep(tmp_path) == 0 and living.exists()
    lock = ProcessLock(tmp_path / "lock")
    with pytest.raises(OSError, match="No locks"):
        lock.acquire()
    assert not lock.held()
    write_atomic(tmp_path / "x", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "x"]


def test_whoever_waits_long_says_for_what(tmp_path, monkeypatch):
    other, said = FileLock(tmp_path / "lock"), []
    other.acquire()
    monkeypatch.setattr(locks, "LONG", 0)
    monkeypatch.setattr(locks._LOG, "warning", lambda *words: (said.append(words[0] % words[1:]), other.release()))
    with waiting(tmp_path / "lock", "downloads the moon"), pytest.raises(Timeout):
        other.acquire(timeout=0)
    (line,) = said
    assert line.startswith("waiting while another process downloads the moon, as its lock ")
    other.acquire(timeout=0)
    other.release()


def test_a_lock_excludes_others_unless_it_is_for_show(tmp_path, monkeypatch):
    lock = ProcessLock(tmp_path / "lock")
    with holding(lock):
        assert excludes(lock.path) and not lock.lost
    without_locks(monkeypatch, "for show")
    with holding(lock):
        assert not excludes(lock.path)
