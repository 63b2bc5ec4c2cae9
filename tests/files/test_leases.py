"""A lease says whether the process that took it is alive, where the file system keeps no locks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from unlocked import without_locks

from genkit.files import leases
from genkit.files.leases import LEASE, SKEW, LeaseLock, are_leases, use_leases
from genkit.files.locks import Held, ProcessLock, holding, lock_at, waiting

HOLDER = """
import sys
from pathlib import Path
from genkit.files.leases import LeaseLock
lock = LeaseLock(Path(sys.argv[1]))
assert lock.acquire()
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_lease_is_held_while_its_process_lives_and_leaves_no_file(tmp_path):
    path = tmp_path / "lock"
    assert not LeaseLock(path).held()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    other = LeaseLock(path)
    assert other.held() and not other.acquire()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not other.held()
    with holding(other):
        assert other.held() and LeaseLock(path).held()
        with pytest.raises(Held), holding(LeaseLock(path)):
            pass
    assert not LeaseLock(path).held() and list(tmp_path.iterdir()) == []


def of_another_machine(path, age):
    """Write a lease as a process of another machine leaves it, last touched some seconds ago."""
    lock = LeaseLock(path)
    lock.path.unlink(missing_ok=True)
    with holding(lock):
        text = lock.path.read_text()
    lock.path.write_text(re.sub("host=.*", "host=elsewhere", text))
    there = lock.path.stat().st_mtime - age
    os.utime(lock.path, (there, there))


def test_a_lease_of_another_machine_is_held_until_it_is_not_touched_for_long(tmp_path):
    path = tmp_path / "lock"
    of_another_machine(path, age=0)
    assert LeaseLock(path).held() and not LeaseLock(path).acquire()
    of_another_machine(path, age=LEASE + SKEW + 1)
    assert not LeaseLock(path).held()


def test_a_lease_that_was_not_touched_is_taken_after_it_was_watched_for_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LEASE", 0.5)
    path = tmp_path / "lock"
    of_another_machine(path, age=10)
    with holding(LeaseLock(path)):
        assert LeaseLock(path).held()


def test_who_loses_a_lease_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LEASE", 0.3)
    told = threading.Event()
    lock = LeaseLock(tmp_path / "lock", told.set)
    with holding(lock):
        assert not lock.lost
        lock.path.unlink()
        assert told.wait(30) and lock.lost


def test_the_locks_below_a_folder_with_leases_are_leases(tmp_path):
    path = tmp_path / "board" / "runs" / "lock"
    path.parent.mkdir(parents=True)
    assert isinstance(lock_at(path), ProcessLock) and not are_leases(path)
    use_leases(tmp_path / "board", "for a test")
    assert isinstance(lock_at(path), LeaseLock) and are_leases(path)
    assert isinstance(lock_at(tmp_path / "lock"), ProcessLock)


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_who_waits_for_another_waits_for_its_lease(tmp_path, monkeypatch, flock):
    without_locks(monkeypatch, flock)
    use_leases(tmp_path, "for a test")
    with waiting(tmp_path / "lock", "works"):
        assert LeaseLock(tmp_path / "lock").held()
    assert not LeaseLock(tmp_path / "lock").held()


SLEEPER = """
import sys
from pathlib import Path
from genkit.files import leases
leases.LEASE = float(sys.argv[2])
lock = leases.LeaseLock(Path(sys.argv[1]))
assert lock.acquire() and not lock.lost
print("ready", flush=True)
sys.stdin.readline()
print(lock.lost, flush=True)
lock.release()
"""


def test_who_slept_longer_than_its_lease_finds_out_at_once_and_leaves_the_next_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LEASE", 0.5)
    path = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(path), "0.5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    other = LeaseLock(path)
    while not other.acquire():  # it is alive, and its lease of this moment
        pass
    process.send_signal(signal.SIGCONT)
    assert process.communicate("\n")[0] == "True\n"
    assert other.held() and not other.lost and other.path.exists()
    other.release()


def test_a_lease_that_has_another_holder_is_lost(tmp_path):
    lock = LeaseLock(tmp_path / "lock")
    with holding(lock):
        text = lock.path.read_text()
        lock.path.write_text(re.sub("token=.*", "token=of-another", text))
        assert lock.lost
        lock.path.write_text(text)
        assert lock.lost
