"""Flips: kept files that changed on the disk, with and without the times that they had."""

from __future__ import annotations

import os
import random
from pathlib import Path

from attacks.trying import Trial
from attacks.world import check, evaluation, numbers, said

NAME = "flips"


def kept(folder: Path) -> list[Path]:
    """Return what genkit kept and reads again: records, exhibits, checkpoints, and all of the cache, in order."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    return [path for path in found if path.suffix not in (".html", ".lock") and path.parent.name != "samples"]


def flipped(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return how some bytes were damaged, and the damaged ones."""
    place = rng.randrange(len(data))
    kind = rng.choice(
        ("a bit", "a bit", "a bit", "a byte", "a digit", "zeros", "the end gone", "more at the end", "a swap")
    )
    changed = bytearray(data)
    digits = [at for at, value in enumerate(data[: 1 << 16]) if chr(value).isdigit() and value < 128]
    if kind == "a digit" and digits:
        place = rng.choice(digits)
        changed[place] = ord(str((int(chr(data[place])) + rng.randrange(1, 10)) % 10))
    elif kind == "zeros":
        changed[place : place + 64] = bytes(len(changed[place : place + 64]))
    elif kind == "the end gone":
        del changed[place:]
    elif kind == "more at the end":
        changed += rng.randbytes(rng.randrange(1, 100))
    elif kind == "a swap":
        other = rng.randrange(len(data))
        changed[place], changed[other] = changed[other], changed[place]
    elif kind == "a byte":
        changed[place] = rng.randrange(256)
    else:
        changed[place] ^= 1 << rng.randrange(8)
    return f"{kind} at {place} of {len(data)}", bytes(changed)


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file in its place, half the time with its old times, and say how."""
    status = path.stat()
    how, data = flipped(path.read_bytes(), rng)
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()
    restored = rng.random() < 0.5
    if restored:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"{how}{', times as before' if restored else ''}"


def attack(trial: Trial) -> None:
    """Damage one kept file, then make the board, measure the run again and go on with its training."""
    run = trial.world.copied(trial.folder)
    candidates = kept(trial.folder / "runs") + kept(trial.folder / "cache")
    path = candidates[trial.number % len(candidates)]
    name = path.relative_to(trial.folder)
    trial.did(f"{name.parts[0]}/.../{name.parent.name}/{name.name}: {damage(path, trial.rng)}")
    runs = ("--runs", str(trial.folder / "runs"))
    board = trial.genkit("leaderboard", *runs, "--json")
    check(trial, board, "leaderboard")
    measured = trial.genkit(*evaluation(run))
    check(trial, measured, "eval")
    if path.is_relative_to(trial.folder / "cache") and measured.code != 0:
        trial.complain(f"a damaged file of the cache ends the command: {measured.err.strip()[:200]}")
    if measured.code == 0 and not path.is_relative_to(trial.folder / "runs"):
        again = numbers(measured)
        changed = [each for each, value in trial.world.right["eval"].items() if again.get(each) != value]
        if changed:
            trial.complain(
                f"the cache is not made again: {changed[0]} is {again.get(changed[0])} ({said(measured)[:1]})"
            )
    last = trial.rng.choice(("runs", "html", "resume", "validate"))
    if last == "runs":
        trial.genkit("runs", "list", *runs, "--json")
        trial.genkit("runs", "show", str(run))
    elif last == "html":
        trial.genkit("leaderboard", *runs, "--html", "board.html")
    elif last == "resume":
        trial.genkit("train", "--resume", str(run))
    else:
        trial.genkit("records", "validate", *runs)
