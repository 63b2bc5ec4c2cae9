"""genkit cache: show and clear."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from genkit.cli.cache import command
from genkit.errors import UsageError
from genkit.files import temporaries


@pytest.fixture
def cache(capsys, monkeypatch, tmp_path):
    """Run `genkit cache ...` with a small cache, and return its folder and what the command prints."""
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    for part, size in (("data", 1500), ("seen", 7), ("features", 20)):
        (tmp_path / part / "x").mkdir(parents=True)
        (tmp_path / part / "x" / "file").write_bytes(bytes(size))

    def run(*arguments):
        capsys.readouterr()
        command.main([*arguments], standalone_mode=False)
        return capsys.readouterr()

    return tmp_path, run


@pytest.mark.parametrize("arguments", [[], ["show"]])
def test_it_shows_its_parts_with_their_size(cache, arguments):
    root, run = cache
    out = run(*arguments).out
    assert str(root) in out
    assert "1 files" in out and "1.5 kB" in out


def test_json_has_the_bytes_of_each_part(cache):
    parts = {part["part"]: part["bytes"] for part in json.loads(run_json(cache))["parts"]}
    assert parts == {
        "data": 1500,
        "seen": 7,
        "downloads": 0,
        "weights": 0,
        "records": 0,
        "features": 20,
        "judges": 0,
        "checked": 0,
    }


def run_json(cache):
    _, run = cache
    return run("--json").out


def test_clear_keeps_what_was_trained_here_unless_named(cache):
    root, run = cache
    assert "removed 1.5 kB" in run("clear", "--yes").err
    assert sorted(path.name for path in root.iterdir()) == ["features"]
    run("clear", "features", "--yes")
    assert list(root.iterdir()) == []
    assert "nothing to clear" in run("clear", "--yes").err


def test_an_unknown_part_is_refused_and_nothing_removed(cache):
    root, run = cache
    with pytest.raises(UsageError, match="no part 'sen': choose from data, seen"):
        run("clear", "data", "sen", "--yes")
    assert (root / "data").exists()


@pytest.mark.parametrize("arguments", [["show"], ["clear", "data", "--yes"]])
def test_what_killed_processes_left_is_removed_and_said(cache, arguments, monkeypatch):
    root, run = cache
    (root / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(root / "tmp"))
    left = [
        root / "seen" / "x" / ".progress.json.genkit-{}-00000000.part",
        root / "tmp" / ".scratch.genkit-{}-0000000a.part",
    ]
    for path in (Path(str(each).format(temporaries._host())) for each in left):
        path.write_bytes(bytes(1000))
    assert "removed 2.0 kB that killed processes had left\n" in run(*arguments).err
    assert "killed" not in run("show").err
    assert (root / "seen" / "x" / "file").exists()


@pytest.mark.parametrize("arguments", [["show"], ["clear", "data", "--yes"]])
def test_files_of_the_user_are_left_where_the_cache_and_temporary_files_are(cache, arguments, monkeypatch):
    root, run = cache
    (root / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(root / "tmp"))
    mine = [root / "tmp" / "tmp-projectx", root / "tmp" / ".thesis.research", root / ".vault.keystore"]
    for path in mine:
        path.write_bytes(b"mine")
        before = time.time() - 2 * temporaries.ABANDONED
        os.utime(path, (before, before))
    assert "killed" not in run(*arguments).err
    assert [path.read_bytes() for path in mine] == [b"mine"] * 3
