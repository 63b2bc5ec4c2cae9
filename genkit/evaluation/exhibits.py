"""Pictures and curves of one evaluation, kept beside its record: reports show them without model or data."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genkit.evaluation.memorised import most_alike
from genkit.evidence import Gathered, Samples
from genkit.images import grid, png, quantize
from genkit.seeds import derive

SAMPLES, MEMORISED, RECONSTRUCTIONS, POINTS = 64, 8, 16, 200
"""How many are shown: samples, those most like a training image, reconstructions, and points of a curve."""


def exhibits(gathered: Gathered) -> dict[str, bytes]:
    """Return what there is to show of a subject, as files by their names; no picture is worth a record.

    ``samples.png``: 64 samples in rows of 8, for all models from the same draws. ``memorised.png``: the eight samples
    most like a training image, above that image, and in ``memorised.json`` their ratios (genkit.evaluation.memorised)
    and places. ``reconstructions.png``: 16 test images above their reconstructions. A pixel is a pixel.
    """
    found: dict[str, bytes] = {}
    for draw in (_samples, _memorised, _reconstructions):
        try:
            found |= draw(gathered)
        except Exception as error:
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"genkit: {draw.__name__[1:]} are not shown: {cause}", file=sys.stderr)
    return found


def _samples(gathered: Gathered) -> dict[str, bytes]:
    samples = gathered.samples
    places = np.arange(samples.count)[samples.subset(min(SAMPLES, samples.count))]
    return {"samples.png": _sheet(_drawn_again(samples, places), columns=8)}


def _memorised(gathered: Gathered) -> dict[str, bytes]:
    """Look only at what metrics have looked at: a pass over the samples for a picture would be dear."""
    if not gathered.extractors or "seen" not in vars(gathered):
        return {}
    name, reference = gathered.extractors[0].name, gathered.reference
    alike = most_alike(reference.features(name).features, gathered.seen.features(name).features, MEMORISED)
    if not len(alike.ratio):
        return {}
    pairs = [_drawn_again(gathered.samples, alike.sample), _drawn_again(reference.samples, alike.training)]
    facts = {**{key: values.tolist() for key, values in alike._asdict().items()}, "extractor": name}
    return {
        "memorised.png": _sheet(np.concatenate(pairs), columns=len(alike.ratio)),
        "memorised.json": _json(facts),
    }


def _reconstructions(gathered: Gathered) -> dict[str, bytes]:
    """Evenly spaced test images: data may be sorted by class."""
    if not callable(getattr(gathered.model, "reconstruct", None)):
        return {}
    test = gathered.test
    places = np.linspace(0, len(test) - 1, min(RECONSTRUCTIONS, len(test))).round().astype(np.int64)
    torch.manual_seed(derive(gathered.seed, "exhibits"))
    again = gathered.ask("reconstruct", test.images(places).to(gathered.device)).clamp(0, 1)
    pairs = [test.uint8(places), quantize(again).cpu().numpy()]
    return {"reconstructions.png": _sheet(np.concatenate(pairs), columns=len(places))}


def curves(log: Path) -> dict[str, bytes]:
    """Return ``curves.json``: what a training logged against the images seen, at most 200 points of it.

    ``{"images": [...], "curves": {name: [values]}}``, null where a value was not logged; nothing without a log.
    """
    lines = list(_lines(log))
    if not lines:
        return {}
    kept = np.unique(np.linspace(0, len(lines) - 1, min(POINTS, len(lines))).round().astype(int))
    lines = [lines[place] for place in kept]
    names = dict.fromkeys(name for line in lines for name in line if name not in ("step", "images", "seconds"))
    values = {name: [_finite(line.get(name)) for line in lines] for name in names}
    return {"curves.json": _json({"images": [line["images"] for line in lines], "curves": values})}


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a log: a killed process leaves one unfinished."""
    try:
        texts = log.read_text(errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and _finite(line.get("images")) is not None:
            yield line


def _finite(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _drawn_again(samples: Samples, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return some of the samples, [n, C, H, W]: no chunk depends on another, so only theirs are drawn."""
    found: dict[int, NDArray[np.uint8]] = {}
    starts = places - places % samples.chunk
    for start in np.unique(starts):
        images = next(iter(samples.chunks(int(start))))
        found |= {int(place): images[int(place - start)].cpu().numpy() for place in places[starts == start]}
    return np.stack([found[int(place)] for place in places])


def _sheet(images: NDArray[np.uint8], columns: int) -> bytes:
    return png(grid(images, columns, width=0))


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()
