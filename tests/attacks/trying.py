"""One try of an attack: in a fork of this warm process and a folder of its own, with its time, memory and output kept.

Number i of a class does the same wherever it runs: all that is random in it is drawn from (class, seed, i).
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 60.0
"""Seconds that a try may take."""

MEMORY = 1_500_000_000
"""Bytes of memory that a try may need at its peak."""

WARM = 500_000_000
"""Of these, what the warm process holds. What a process of many other tests holds beyond it is not the try's."""

HARD = 6 << 30
"""Bytes of address space that a try gets beyond what it starts with, so that a failed one does not take the machine."""

FILE = 1 << 30
"""Bytes of the largest file that a try may write."""

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What no output holds: control characters and marks that change the direction of text."""


TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?: .*\n)*(.*)")
"""A traceback, and the line in which it ends."""


@dataclass
class Call:
    """A command, its exit code, and what it wrote."""

    argv: list[str]
    code: int
    out: str
    err: str

    def document(self) -> Any:
        """Return its output as JSON, None if it is not."""
        try:
            return json.loads(self.out)
        except ValueError:
            return None


@dataclass
class Outcome:
    """What became of a try; ``problems`` is empty if genkit survived it."""

    name: str
    seed: int
    number: int
    did: str = ""
    seconds: float = 0.0
    peak: int = 0
    calls: list[Call] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def repeat(self) -> str:
        """The command that repeats it."""
        return f"python benchmarks/attacks.py --class {self.name} --seed {self.seed} --only {self.number}"


class Trial:
    """What an attack sees: its random numbers, its empty folder, the clean world, and the way to run commands."""

    def __init__(self, name: str, seed: int, number: int, folder: Path, world: Any) -> None:
        self.rng = random.Random(f"{name} {seed} {number}")
        self.number = number
        self.folder = folder
        self.world = world
        self.calls: list[Call] = []
        self.problems: list[str] = []

    def did(self, text: str) -> None:
        """Say what is done, before it is done: a try that never ends has then said it."""
        with open(self.folder / "did.txt", "a", encoding="utf-8") as file:
            file.write(f"{ascii(text)[1:-1]}; ")

    def complain(self, problem: str) -> None:
        """Say in what genkit did not survive."""
        self.problems.append(problem)

    def genkit(self, *arguments: str | Path) -> Call:
        """Run a command line in this process."""
        from genkit.cli import main

        argv = [str(argument) for argument in arguments]
        places = [_end(each) for each in (self.folder / "out.txt", self.folder / "err.txt")]
        sys.argv = ["genkit", *argv]
        code = 1
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
        except BaseException:
            _flushed()
            os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
        _flushed()
        call = Call(
            argv, code, *(_since(self.folder / n, at) for n, at in zip(("out.txt", "err.txt"), places, strict=True))
        )
        self.calls.append(call)
        return call


Attack = Callable[[Trial], None]


def attempt(
    attack: Attack, name: str, seed: int, number: int, world: Any, *, limit: float = LIMIT, memory: int = MEMORY
) -> Outcome:
    """Run one try in a fork and judge it."""
    outcome = Outcome(name, seed, number)
    # Not below a folder of the world: genkit looks into folders.
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    began = time.monotonic()
    inherited = max(0, _own() - WARM)
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks where there are threads
        child = os.fork()
    if child == 0:
        _child(attack, Trial(name, seed, number, folder, world))
    try:
        status, peak = _waited(child, began + limit)
        outcome.peak = peak - inherited
        outcome.seconds = time.monotonic() - began
        outcome.did = _since(folder / "did.txt", 0).strip("; ")
        _collect(outcome, folder, status, limit, memory)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _child(attack: Attack, trial: Trial) -> None:
    """Run the attack and end this process, whatever happens in it."""
    code = 70
    try:
        os.setsid()
        _isolate(trial.folder)
        attack(trial)
        code = 0
    except BaseException:
        with contextlib.suppress(BaseException):
            text = traceback.format_exc()
            (trial.folder / "broken.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    finally:
        with contextlib.suppress(BaseException):
            calls = [vars(call) for call in trial.calls]
            (trial.folder / "result.json").write_text(json.dumps({"calls": calls, "problems": trial.problems}))
        os._exit(code)


def _isolate(folder: Path) -> None:
    """Give this process streams and a folder of its own, the usual signals and warnings, and limits."""
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        target = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, number)
        os.close(target)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.disable()  # pytest's would write into its own output
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _LINUX else 0
    if used:
        resource.setrlimit(resource.RLIMIT_AS, (used + HARD, used + HARD))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    (folder / "work").mkdir()
    os.chdir(folder / "work")


_LINUX = sys.platform == "linux"


def _own() -> int:
    """Return the bytes of memory that a fork of this process holds from its start: not those of files; 0 if unknown."""
    if not _LINUX:
        return 0
    _, resident, of_files, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")


def _waited(child: int, until: float) -> tuple[int | None, int]:
    """Wait for a process and return its status, None if it had to be killed, and its peak memory in bytes."""
    pause = 0.002
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > until:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            status = None
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what it started and left behind
    return status, usage.ru_maxrss * (1024 if _LINUX else 1)


def _collect(outcome: Outcome, folder: Path, status: int | None, limit: float, memory: int) -> None:
    try:
        result = json.loads((folder / "result.json").read_text())
        outcome.calls = [Call(**call) for call in result["calls"]]
        outcome.problems = list(result["problems"])
    except (OSError, ValueError):
        result = None
    err = _since(folder / "err.txt", 0)
    if status is None:
        last = err.strip().splitlines()[-1:] or ["nothing on stderr"]
        outcome.problems.append(f"it was not done after {limit:g} s ({last[0][:200]})")
    elif os.WIFSIGNALED(status):
        outcome.problems.append(f"it died of {signal.Signals(os.WTERMSIG(status)).name}")
    elif (folder / "broken.txt").exists():
        outcome.problems.append(f"the attack itself failed: {_since(folder / 'broken.txt', 0)[-600:]}")
    elif result is None:
        outcome.problems.append(f"it ended with exit code {os.WEXITSTATUS(status)} in the middle")
    outcome.problems += complaints(outcome.calls, err)
    if outcome.peak > memory:
        outcome.problems.append(f"it needed {outcome.peak / 1e6:,.0f} MB of memory")


def complaints(calls: list[Call], err: str) -> list[str]:
    """Say what no command may do, whatever it was given: a traceback, raw control characters, broken JSON."""
    found = []
    for end in dict.fromkeys(TRACEBACK.findall(err)):
        found.append(f"a traceback: {ascii(end)[1:-1][:300]}")
    for call in calls:
        what = " ".join(call.argv[:2])
        for stream in (call.out, call.err):
            if raw := RAW.search(stream):
                found.append(f"{what} printed {raw[0]!a}: {stream[max(0, raw.start() - 40) : raw.end() + 40]!a}")
        if call.code == 0 and "--json" in call.argv and call.document() is None:
            found.append(f"{what} --json printed no JSON: {call.out[:80]!a}")
        if call.code != 0 and not call.err.strip():
            found.append(f"{what} ended with exit code {call.code} without a word")
    return found


def _flushed() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _end(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _since(path: Path, place: int) -> str:
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        file.seek(place)
        return file.read(4 << 20).decode("utf-8", "backslashreplace")
