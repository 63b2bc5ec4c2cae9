"""Reads what the trackers wrote for a run, and log.jsonl, in one form: points (images, value) of each curve, in order."""

from __future__ import annotations

import json
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Curves = dict[str, list[tuple[int, float]]]


def log(run: Path) -> Curves:
    """The curves of log.jsonl."""
    curves: Curves = defaultdict(list)
    for text in (run / "log.jsonl").read_text().splitlines():
        line = json.loads(text)
        for name in line.keys() - {"step", "images", "seconds"}:
            curves[name].append((line["images"], line[name]))
    return dict(curves)


def speed(run: Path) -> list[tuple[int, float]]:
    """The images per second between the lines of log.jsonl."""
    lines = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()]
    pairs = zip([{"images": 0, "seconds": 0.0}, *lines], lines, strict=False)
    return [
        (new["images"], (new["images"] - old["images"]) / (new["seconds"] - old["seconds"]))
        for old, new in pairs
        if new["seconds"] > old["seconds"]
    ]


def grids(run: Path) -> list[int]:
    """The numbers of images at which grids were drawn; the last one, of a finished run, is samples.png."""
    last = json.loads((run / "status.json").read_text())["images"]
    return sorted({*(int(path.stem) for path in (run / "samples").glob("*.png")), last})


def accumulated(run: Path) -> Any:
    """TensorBoard's own reading of a run, with all its points."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run / "trackers" / "tensorboard"), {"scalars": 0, "images": 0}).Reload()


def tensorboard(run: Path) -> tuple[Curves, list[int]]:
    """The scalars, and the steps of the pictures."""
    found = accumulated(run)
    curves = {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    return curves, [each.step for each in found.Images("samples")]


def wandb(run: Path) -> tuple[Curves, list[int]]:
    """The rows of the newest offline folder, and the images of those with a picture."""
    (file,) = (run / "trackers" / "wandb" / "wandb" / "latest-run").resolve().glob("*.wandb")
    curves: Curves = defaultdict(list)
    pictures = []
    for record in wandb_records(file):
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for name, value in row.items():
            if name == "samples/path":
                pictures.append(row["images"])
            elif name != "images" and not name.startswith(("_", "samples/")):
                curves[name].append((row["images"], value))
    return dict(curves), pictures


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file: a LevelDB log of protocol buffers behind a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def mlflow_run(run: Path) -> tuple[Any, Any]:
    """The client of the local folder, and the run in it."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient((run.absolute().parents[2] / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("genkit")
    mine = [
        each
        for each in client.search_runs([experiment.experiment_id])
        if each.data.tags["genkit.run"].startswith(f"{run.name}-")
    ]
    (found,) = mine
    return client, found


def mlflow(run: Path) -> tuple[Curves, list[int]]:
    """The history of each metric, in the order in which it was written, and the pictures."""
    client, found = mlflow_run(run)
    name = found.info.run_id
    curves = {
        key: [(each.step, each.value) for each in client.get_metric_history(name, key)] for key in found.data.metrics
    }
    return curves, sorted(int(Path(each.path).stem) for each in client.list_artifacts(name, "samples"))


READERS = {"tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow}


def differences(run: Path, tracker: str) -> list[str]:
    """Say in what a tracker differs from the run's folder; TensorBoard keeps 32 bits of a number."""
    rounded = np.float32 if tracker == "tensorboard" else float
    found, pictures = READERS[tracker](run)
    faults = []
    for name, points in {**log(run), "images_per_second": speed(run)}.items():
        expected = [(images, float(rounded(value))) for images, value in points]
        if found.get(name) != expected:
            faults.append(f"{tracker}: {name} is {found.get(name)}, not {expected}")
    if sorted(set(pictures)) != grids(run) or len(pictures) != len(grids(run)):
        faults.append(f"{tracker}: pictures at {pictures}, not at {grids(run)}")
    return faults
