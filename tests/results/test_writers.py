"""Several writers at once, and one that dies in mid-write; each is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from making import record, score

from genkit.results import store

BEGIN = """
import os, sys
from pathlib import Path
from making import record, score
from genkit.results import store
folder, writer = Path(sys.argv[1]), sys.argv[2]
assert "torch" not in sys.modules
def tell():
    print("ready", flush=True)
    sys.stdin.readline()
"""

MANY = "tell()\nfor number in range(20): store.add(folder, record(f'model-{writer}', score(float(number))))"
SAME = (
    "one = record('a', score(1.0), kind='images')\ntell()\nfor _ in range(20): store.add(folder, one, {'a.png': b'x'})"
)
DYING = "os.{call} = lambda *_: tell()\nstore.add(folder, record('dying', score(1.0), kind='images'))"


def start(code, folder, writer):
    """Start a writer and wait until it says that it is ready."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(folder), str(writer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def together(code, folder):
    """Run six writers that all begin when the last is ready."""
    writers = [start(code, folder, writer) for writer in range(6)]
    for process in writers:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in writers:
        process.communicate()
        assert process.returncode == 0


def test_concurrent_writers_lose_nothing(tmp_path):
    together(MANY, tmp_path)
    contents = store.read(tmp_path)
    assert contents.problems == []
    found = {(r.subject.name, r.scores[0].value) for r in contents.records}
    assert found == {(f"model-{writer}", float(number)) for writer in range(6) for number in range(20)}
    assert len(list((tmp_path / "records").iterdir())) == 120


def test_writers_of_one_record_end_with_one_file(tmp_path):
    together(SAME, tmp_path)
    (only,) = store.read(tmp_path).records
    assert len(list((tmp_path / "records").iterdir())) == 1
    assert store.exhibits(tmp_path, only.id) == {"a.png": b"x"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_writer_killed_in_mid_write_spoils_nothing(tmp_path, call):
    store.add(tmp_path, record("before", score(1.0)))
    process = start(DYING.format(call=call), tmp_path, 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "records").iterdir())) == 2  # what it was writing is there, under another name
    contents = store.read(tmp_path)
    assert [r.subject.name for r in contents.records] == ["before"] and contents.problems == []
    store.add(tmp_path, record("dying", score(1.0)))
    contents = store.read(tmp_path)
    assert [r.subject.name for r in contents.records] == ["before", "dying"] and contents.problems == []
