"""Trainings that torchrun launches, for the scripts beside this one: started, found in /proc, and compared."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from resume import state  # noqa: F401 - what must be equal of two runs

WORKER = "import sys; from genkit.cli import main; main()"


def torchrun(
    *arguments: str, logs: Path, restarts: int = 0, processes: int = 2, meet: Sequence[str] = ("--standalone",)
) -> subprocess.Popen[bytes]:
    """Start ``genkit`` with these arguments in several processes, whose output goes into files below ``logs``.

    ``meet``: how torchruns that stand for several machines find each other, of ``meeting``.
    """
    options = [*meet, f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    options += ["--log-dir", str(logs), "--redirects=3", "--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR2"]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *options,
        "--no-python",
        "--",
        sys.executable,
        "-c",
        WORKER,
    ]
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "torchrun").open("wb") as file:
        return subprocess.Popen(
            [*command, *arguments], stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


def meeting(machines: int) -> list[str]:
    """Return the options of the torchruns of so many machines, all of them on this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [f"--nnodes={machines}", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]


def ranks(launcher: int) -> dict[int, int]:
    """Return the processes that a launcher has started: the process id of each rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == launcher:
                settings = dict(each.split(b"=", 1) for each in (folder / "environ").read_bytes().split(b"\0") if each)
                found[int(settings[b"RANK"])] = int(folder.name)
        except (OSError, KeyError, ValueError):  # it has just ended, or begun
            continue
    return found


def said(logs: Path) -> dict[str, str]:
    """Return what each process of the last attempt printed on stderr, by its rank, and torchrun itself."""
    files = {path.parent.name: path for path in sorted(logs.glob("*/attempt_*/*/stderr.log"))}
    return {name: path.read_text(errors="replace") for name, path in files.items()}


def wait_for(ready, process: subprocess.Popen[bytes], seconds: float = 120.0) -> bool:  # type: ignore[no-untyped-def]
    """Wait until ``ready()``; False if the process ends before, or it takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if ready():
            return True
        time.sleep(0.02)
    return False
