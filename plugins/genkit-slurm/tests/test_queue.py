"""What squeue prints is understood: its format is set by the command, and its states are those of its manual."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("genkit_slurm", reason="uv sync --group integration installs genkit-slurm")

from genkit_slurm import queue
from genkit_slurm.queue import Queue


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(queue, "EVERY", 0)


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("12|PENDING|Resources", True),
        ("12|RUNNING|None", True),
        ("12|COMPLETING|None", True),
        ("12|PREEMPTED|None", True),
        ("12|REQUEUED|None", True),
        ("12|COMPLETED|None", False),
        ("12|CANCELLED|None", False),
        ("12|NODE_FAIL|None", False),
    ],
)
def test_a_job_is_there_until_it_has_ended_for_good(cluster, line, there):
    (cluster / "queue").write_text(f"{line}|/engines/submission.sh\n13|RUNNING|None|/engines/submission.sh\n")
    found = Queue()
    assert (found.has("12"), found.has("13")) == (there, True)


def test_a_number_is_that_of_a_job_of_the_folder(cluster):
    (cluster / "queue").write_text(
        "12|RUNNING|None|/engines/a.sh\n13|RUNNING|None|/other/a|b.sh\n14|FAILED|None|/engines/a.sh"
    )
    found = Queue()
    assert [found.lists(number, Path("/engines")) for number in ("12", "13", "14", "15")] == [True, False, False, False]
    assert found.lists("13", Path("/other"))


def test_another_job_s_name_may_be_no_text(cluster):
    (cluster / "queue").write_bytes(b"12|RUNNING|None|/home/m\xfcnchen.sh\n13|RUNNING|None|/engines/a.sh\n")
    assert Queue().lists("13", Path("/engines"))


def test_a_job_that_is_missing_twice_is_gone(cluster):
    found = Queue()
    assert [found.has("12"), found.has("12")] == [True, False]
    assert found.end_of("12") == "Slurm no longer knows it"


def test_while_slurm_does_not_answer_all_stays_as_it_was(cluster):
    found = Queue()
    (cluster / "queue").write_text("12|RUNNING|None\n")
    assert found.has("12")
    (cluster / "queue").unlink()
    assert [found.has("12") for _ in range(4)] == [True] * 4


def test_slurm_is_not_asked_each_time(cluster, monkeypatch):
    monkeypatch.setattr(queue, "EVERY", 1000)
    (cluster / "queue").write_text("12|RUNNING|None\n")
    found = Queue()
    assert found.has("12")
    (cluster / "queue").write_text("12|FAILED|NonZeroExitCode\n")
    assert found.has("12")
