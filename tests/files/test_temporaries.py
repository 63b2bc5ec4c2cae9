"""Temporaries of dead processes are removed, those of living ones are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from unlocked import without_locks

from genkit.files import temporaries
from genkit.files.temporaries import OLD, Scratch, clear, sweep, sweep_below, temporary_file, temporary_folder

WRITER = """
import os, sys, tempfile
from pathlib import Path
from genkit.files import temporaries
folder = Path(sys.argv[1])
tempfile.tempdir = str(folder)
kind = {"file": temporaries.temporary_file, "folder": temporaries.temporary_folder,
        "scratch": lambda path: temporaries.Scratch()}[sys.argv[2]]
with kind(folder / "model.bin") as path:
    (path if path.is_file() else path / "part").write_bytes(bytes(1000))
    print("ready", flush=True)
    sys.stdin.readline()
"""


def writer(folder, kind):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def aged(path):
    """Make a file or folder two days old."""
    before = time.time() - 2 * temporaries.ABANDONED
    for each in (*path.rglob("*"), path):
        os.utime(each, (before, before))


@pytest.mark.parametrize("kind", ["file", "folder", "scratch"])
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_fills_is_not(tmp_path, kind):
    living, dying = writer(tmp_path, kind), writer(tmp_path, kind)
    for left in tmp_path.iterdir():
        aged(left)  # a slow writer is not a dead one
    dying.send_signal(signal.SIGKILL)
    dying.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    assert sweep(tmp_path) >= 1000
    assert len(list(tmp_path.iterdir())) == 1
    living.communicate("\n")
    assert living.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_next_writer_in_a_folder_sweeps_it(tmp_path):
    dying = writer(tmp_path, "file")
    dying.kill()
    dying.communicate()
    with temporary_file(tmp_path / "other"):
        (only,) = tmp_path.iterdir()
    assert only.name.startswith(".other.")


def test_those_of_another_machine_must_be_a_day_old(tmp_path, monkeypatch):
    dying = writer(tmp_path, "folder")
    dying.kill()
    dying.communicate()
    monkeypatch.setattr(temporaries, "_host", lambda: "00000000")
    (left,) = tmp_path.iterdir()
    assert sweep(tmp_path) == 0
    aged(left)
    assert sweep(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_those_of_older_versions_are_swept_in_genkits_own_folders_after_a_day(tmp_path):
    (tmp_path / "data" / "tmp-ab12cd34" / "pack").mkdir(parents=True)
    (tmp_path / "data" / ".meta.json.x1_y2z3a").write_bytes(b"x")
    (tmp_path / "data" / "kept").write_bytes(b"x")
    assert sweep_below(tmp_path) == 0
    for path in (tmp_path / "data").iterdir():
        aged(path)
    assert sweep_below(tmp_path) > 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["kept"]


def test_files_of_the_user_are_never_taken_for_temporaries(tmp_path):
    names = [".bashrc.20240101", "movie.part", ".notes.txt.12.part", ".a.genkit-b.part"]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
        aged(tmp_path / name)
    with temporary_folder(tmp_path / "x"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert OLD.fullmatch(names[0])  # so it is only looked for in the cache


def test_the_systems_folder_for_temporary_files_is_only_swept_of_genkits_names(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = [".notes.database", ".thesis.research", ".vault.keystore", "genkit-projects", "tmp-projectx"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_bytes(b"mine")
        aged(tmp_path / name)
    with Scratch():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [path.read_bytes() for path in tmp_path.glob("*/mine.txt")] == [b"mine"] * len(names)


def test_a_link_or_pipe_of_such_a_name_is_left_alone(tmp_path):
    name = f".a.genkit-{temporaries._host()}-00000000.part"
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / name).symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / name.replace("00000000", "00000001"))
    assert sweep(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_writer_whose_file_is_swept_before_it_is_locked_makes_another(tmp_path, monkeypatch):
    take, swept = temporaries.take, []

    def swept_first(descriptor):
        if not swept:
            swept.append(True)
            sweep(tmp_path)
            assert list(tmp_path.iterdir()) == []
        return take(descriptor)

    monkeypatch.setattr(temporaries, "take", swept_first)
    with temporary_file(tmp_path / "x") as path:
        assert path.is_file()
    assert list(tmp_path.iterdir()) == []


def test_clearing_takes_all_of_a_folder_that_is_locked_otherwise(tmp_path):
    (tmp_path / ".step.12.part").write_bytes(b"")
    with temporary_folder(tmp_path / "x"):
        clear(tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_scratch_is_private_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Scratch() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_where_locks_do_not_hold_nothing_of_a_living_process_is_swept(tmp_path, monkeypatch, flock):
    without_locks(monkeypatch, flock)
    with temporary_file(tmp_path / "file") as file, temporary_folder(tmp_path / "folder") as folder:
        assert sweep(tmp_path) == 0
        assert file.exists() and folder.exists()
