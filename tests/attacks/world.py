"""A small clean world to attack: data, two trained runs with a record each, a cache, and the numbers that are right."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attacks.trying import Call, Trial

METRICS = ("--metrics", "fid,kid", "--features", "random-conv,pixels")
DRAWN = 48


@dataclass
class World:
    """The clean folders, which no try changes, and the clean numbers of the commands in ``right``."""

    folder: Path
    right: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data set of the run: 72 grey images of 8x8 pixels in three classes."""
        return self.folder / "data.npz"

    @property
    def photos(self) -> Path:
        """24 grey images of 8x8 pixels, as files."""
        return self.folder / "photos"

    def copied(self, folder: Path) -> Path:
        """Copy runs and cache into a folder of a try, with all times, use that cache, and return the run of seed 0."""
        for name in ("runs", "cache"):
            shutil.copytree(self.folder / name, folder / name)
        os.environ["GENKIT_CACHE"] = str(folder / "cache")
        return all_runs(folder / "runs")[-1]


def all_runs(runs: Path) -> list[Path]:
    """Return the folders of the runs in a folder of runs; the one of seed 0 is the last."""
    found = [path.parent for path in runs.glob("*/*/*/run.json")]
    return sorted(found, key=lambda run: -json.loads((run / "run.json").read_text())["seed"])


def training(world: World, runs: Path) -> tuple[str, ...]:
    """Return the command that trains a run."""
    return ("train", "--model", "toy-gan", "--dataset", f"npz:{world.data}", "--images", "160", "--runs", str(runs))


def offer_toys() -> None:
    """Offer the models of tests/toys.py in this process."""
    import toys

    from genkit.registry.discovery import registry

    if all(plugin.name != "toys" for plugin in registry().plugins):
        registry().plugins.append(toys.plugin())


def photographs(folder: Path, count: int, size: int = 8) -> None:
    """Write grey images of random pixels."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (size, size), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")


def build(folder: Path) -> World:
    """Train, measure and compare once in this process, which is warm after it."""
    world = World(folder)
    offer_toys()
    os.environ["GENKIT_CACHE"] = str(folder / "cache")
    os.environ["GENKIT_DEVICE"] = "cpu"
    for name in ("GENKIT_RUNS", "GENKIT_DATA", "GENKIT_PLUGINS", "GENKIT_STRICT_PLUGINS"):
        os.environ.pop(name, None)
    rng = np.random.default_rng(0)
    np.savez(world.data, images=rng.integers(0, 256, (72, 8, 8), dtype=np.uint8), labels=np.arange(72) % 3)
    photographs(world.photos, 24)
    runs = folder / "runs"
    _run(folder, *training(world, runs))
    _run(folder, *training(world, runs), "--seed", "1")
    for run in all_runs(runs):
        world.right["eval"] = numbers(_run(folder, *evaluation(run)))
    world.right["leaderboard"] = numbers(_run(folder, "leaderboard", "--runs", str(runs), "--json"))
    world.right["compare"] = numbers(_run(folder, *comparison(world.photos, world.data)))
    _run(folder, "leaderboard", "--runs", str(runs), "--html", str(folder / "board.html"))
    shutil.rmtree(folder / "compared", ignore_errors=True)
    return world


def evaluation(run: Path) -> tuple[str, ...]:
    """Return the command that measures a run."""
    return ("eval", "--run", str(run), *METRICS, "-n", str(DRAWN), "--no-calibrate", "--json")


def comparison(samples: Path | str, reference: Path | str) -> tuple[str, ...]:
    """Return the command that compares two sets of images; its record goes to the folder ``compared``."""
    return ("compare", str(samples), str(reference), *METRICS, "--runs", "compared", "--json")


def numbers(call: Call) -> dict[str, Any]:
    """Return the numbers of an evaluation or a board by name, empty if there are none."""
    document = call.document()
    if not isinstance(document, dict):
        return {}
    if "rows" in document:
        found = {}
        for row in document["rows"]:
            who = f"{row['model']} {' '.join(map(str, row['runs']))}"
            found[f"{who} {document['score']}"] = row["value"]
            found.update({f"{who} {name}": value for name, value in row["scores"].items()})
        return found
    return {score["name"]: score["value"] for score in document.get("scores", ())}


def silently_different(call: Call, right: dict[str, Any]) -> list[str]:
    """Return the numbers that differ from the right ones, or are gone, if the command succeeded without a word of it."""
    if call.code != 0 or said(call):
        return []
    found = numbers(call)
    changed = [
        f"{name} is {found.get(name, 'gone')}, not {value}" for name, value in right.items() if found.get(name) != value
    ]
    return [f"without a word, {' '.join(call.argv[:1])}: {change}" for change in changed[:2]]


def said(call: Call) -> list[str]:
    """Return the lines of a command on stderr that tell of something unusual."""
    usual = ("report ", "record ", "sample grid: ")
    lines = [line for line in call.err.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(usual) and " images 8x8 grey" not in line]


def check(trial: Trial, call: Call, kind: str) -> None:
    """Complain about numbers of a command that are wrong without a word."""
    for problem in silently_different(call, trial.world.right[kind]):
        trial.complain(problem)


def _run(folder: Path, *arguments: str) -> Call:
    """Run a command in this process, in the world's folder; it must succeed."""
    from genkit.cli import main

    before, argv = os.getcwd(), sys.argv
    out, err = io.StringIO(), io.StringIO()
    os.chdir(folder)
    sys.argv = ["genkit", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stopped:
        if stopped.code:
            raise RuntimeError(f"genkit {' '.join(arguments)}: {err.getvalue()}") from stopped
    finally:
        os.chdir(before)
        sys.argv = argv
    return Call(list(arguments), 0, out.getvalue(), err.getvalue())
