"""What Slurm says of jobs: one squeue for all of them, every few seconds. sacct needs a database that some lack."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

EVERY = 5.0
"""Seconds between two looks."""

ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED", "TIMEOUT"),
}
"""The states of jobs that have ended for good; one that was preempted or requeued comes back."""

COMMAND = ("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%o")


class Queue:
    """The user's jobs, by their numbers: ``12``, or ``12_3`` of an array."""

    def __init__(self) -> None:
        self._listed: dict[str, str] = {}
        self._scripts: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._missed: dict[str, int] = {}
        self._next = 0.0

    def lists(self, number: str, folder: Path) -> bool:
        """Whether squeue lists a job that waits, runs or will run again, and whose script is in a folder.

        Slurm gives numbers again, to another job of the user's as well.
        """
        self._look()
        if number not in self._listed or _state(self._listed[number]) in ENDED:
            return False
        return Path(self._scripts[number]).parent.resolve() == folder.resolve()

    def has(self, number: str) -> bool:
        """The same of a job that was just submitted: one that squeue has missed once only counts as there."""
        self._missed.setdefault(number, 0)
        self._look()
        return self._missed[number] < 2 and _state(self._last.get(number, "")) not in ENDED

    def end_of(self, number: str) -> str:
        """Return how a job ended, as Slurm says it."""
        return self._last.get(number) or "Slurm no longer knows it"

    def _look(self) -> None:
        """Ask Slurm anew if EVERY seconds have passed; while it does not answer, all stays as it was."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        done = subprocess.run(COMMAND, capture_output=True, text=True, errors="surrogateescape", check=False)
        if done.returncode:
            return
        self._listed = {}
        for line in done.stdout.splitlines():
            number, state, reason, script = [*line.strip().split("|", 3), "", "", ""][:4]
            self._listed[number] = state if reason in ("", "None") else f"{state} ({reason})"
            self._scripts[number] = script
        self._last |= self._listed
        self._missed = {each: 0 if each in self._listed else count + 1 for each, count in self._missed.items()}


def _state(said: str) -> str:
    return said.partition(" ")[0]
