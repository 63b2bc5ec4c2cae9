"""Jobs of submitit's local executor end when they are stopped, whatever they do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("genkit_slurm", reason="uv sync --group integration installs genkit-slurm")

from genkit_slurm import local

pytestmark = [  # of submitit, in tests of this process before
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
task = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(task.pid, flush=True)
time.sleep(600)
"""


class Job:
    """As much of submitit's job as is asked for."""

    def __init__(self, process):
        self.process, self.job_id = process, str(process.pid)

    def task(self, _):
        return self

    def done(self):
        return self.process.poll() is not None


def begun(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def is_alive(number):
    path = Path(f"/proc/{number}/stat")
    return path.exists() and path.read_text().rpartition(") ")[2][0] not in "ZX"


def test_sigterm_is_sent_again_until_it_is_heard(monkeypatch):
    monkeypatch.setattr(local, "AGAIN", 0.2)
    code = "import signal, time\nheard = []\nsignal.signal(signal.SIGTERM, lambda *_: heard.append(1))\nprint(1, flush=True)\n"
    process, _ = begun(f"{code}\nwhile len(heard) < 2: time.sleep(0.01)")
    local.stop([Job(process)])
    assert process.wait() == 0
    process.stdout.close()


@pytest.mark.parametrize("again", [False, True])
def test_what_does_not_end_is_killed_with_its_task_and_at_once_after_another_ctrl_c(monkeypatch, again):
    monkeypatch.setattr(local, "PATIENCE", 60 if again else 0.3)
    process, task = begun(STUBBORN)
    if again:
        monkeypatch.setattr("time.sleep", _interrupt)
    with pytest.raises(KeyboardInterrupt) if again else contextlib.nullcontext():
        local.stop([Job(process)])
    assert process.wait() == -9
    until = time.monotonic() + 30
    while is_alive(task) and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert not is_alive(task)
    process.stdout.close()


def _interrupt(_):
    raise KeyboardInterrupt


def test_a_process_that_is_begun_ignores_ctrl_c():
    with local.deaf_to_ctrl_c():
        process, state = begun("import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)")
    assert state == "True" and process.wait() == 0
    process.stdout.close()
