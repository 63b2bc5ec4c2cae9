"""Pictures and curves of one evaluation, kept beside its record: reports show them without model or data."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from genkit.data.images import grid, png, quantize
from genkit.errors import GenkitWarning
from genkit.evaluation.evidence import Gathered
from genkit.evaluation.memorised import most_alike
from genkit.evaluation.samples import Samples, SplitSamples
from genkit.results.log import COUNTERS, finite, read_log
from genkit.seeds import derive

SMALL, SIDE = 32, 64
"""Pixels of an image of which many are shown, and with which one is shown at most."""
POINTS = 200
"""Of a curve."""


class Shown(NamedTuple):
    """How many are shown: samples, in how many columns, those most like a training image, and reconstructions."""

    samples: int
    columns: int
    memorised: int
    reconstructions: int


MANY, FEW = Shown(64, 8, 8, 16), Shown(12, 4, 6, 4)
"""Of small images and of others: sheets of photographs would be larger than all else that is stored."""


def exhibits(gathered: Gathered) -> dict[str, bytes]:
    """Return what there is to show of a subject, as files by their names; no picture is worth a record.

    ``samples.png``: 64 samples in rows of 8, for all models from the same draws. ``memorised.png``: of as many samples
    as the test split has images, so that its own row is a yardstick, the eight most like a training image, a new one
    each, above that image, and in ``memorised.json`` their ratios (genkit.evaluation.memorised) and places.
    ``reconstructions.png``: 16 test images above their reconstructions. A pixel is a pixel, but of images above 32
    pixels fewer are shown, and at most 64 pixels large.
    """
    found: dict[str, bytes] = {}
    for draw in (_samples, _memorised, _reconstructions):
        try:
            found |= draw(gathered)
        except Exception as error:
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(f"{draw.__name__[1:]} are not shown: {cause}", GenkitWarning, stacklevel=2)
    return found


def _samples(gathered: Gathered) -> dict[str, bytes]:
    shown = _shown(gathered)
    images = _measured(gathered, _some(gathered.samples, shown.samples))
    return {"samples.png": _sheet(images, shown.columns)}


def _memorised(gathered: Gathered) -> dict[str, bytes]:
    """Look only at what metrics have looked at: a pass over the samples for a picture would be dear."""
    if not gathered.extractors or "seen" not in vars(gathered):
        return {}
    name, reference = gathered.extractors[0].name, gathered.reference
    places = _some(gathered.samples, len(gathered.test))
    if min(len(places), reference.samples.count) < 2:
        return {}
    seen = gathered.seen.features(name).features[places]
    alike = most_alike(reference.features(name).features, seen, _shown(gathered).memorised)
    if not len(alike.ratio):
        return {}
    alike = alike._replace(sample=places[alike.sample])
    pairs = _above(_measured(gathered, alike.sample), _drawn_again(reference.samples, alike.training))
    facts = {**{key: values.tolist() for key, values in alike._asdict().items()}, "extractor": name}
    return {
        "memorised.png": _sheet(pairs, columns=len(alike.ratio)),
        "memorised.json": _json(facts),
    }


def _reconstructions(gathered: Gathered) -> dict[str, bytes]:
    """Evenly spaced test images: data may be sorted by class."""
    if not callable(getattr(gathered.model, "reconstruct", None)):
        return {}
    test = gathered.test
    count = min(_shown(gathered).reconstructions, len(test))
    places = np.linspace(0, len(test) - 1, count).round().astype(np.int64)
    torch.manual_seed(derive(gathered.seed, "exhibits"))
    again = gathered.reconstruct(test.images(places).to(gathered.device))
    pairs = [test.uint8(places), quantize(again).cpu().numpy()]
    return {"reconstructions.png": _sheet(np.concatenate(pairs), columns=len(places))}


def curves(log: Path) -> dict[str, bytes]:
    """Return ``curves.json``: what a training logged against the images seen, at most 200 points of it.

    ``{"images": [...], "curves": {name: [values]}}``, null where a value was not logged; nothing without a log.
    """
    lines = list(read_log(log))
    if not lines:
        return {}
    kept = np.unique(np.linspace(0, len(lines) - 1, min(POINTS, len(lines))).round().astype(int))
    lines = [lines[place] for place in kept]
    names = dict.fromkeys(name for line in lines for name in line if name not in COUNTERS)
    values = {name: [finite(line.get(name)) for line in lines] for name in names}
    return {"curves.json": _json({"images": [line["images"] for line in lines], "curves": values})}


def _some(samples: Samples, count: int) -> NDArray[np.int64]:
    """Return the places of at most ``count`` samples that stand for all."""
    return np.arange(samples.count)[samples.subset(min(count, samples.count))]


def _measured(gathered: Gathered, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return some of the samples, [n, C, H, W], from where a metric's are kept if one needed them."""
    if gathered.images and "seen" in vars(gathered):
        return gathered.seen.images()[places]
    return _drawn_again(gathered.samples, places)


def _drawn_again(samples: Samples, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return some of the samples, [n, C, H, W]: no chunk depends on another, so only theirs are drawn."""
    if isinstance(samples, SplitSamples):
        samples = dataclasses.replace(samples, chunk=1)  # its images depend on no chunk
    found: dict[int, NDArray[np.uint8]] = {}
    starts = places - places % samples.chunk
    for start in np.unique(starts):
        images = next(iter(samples.chunks(int(start))))
        found |= {int(place): images[int(place - start)].cpu().numpy() for place in places[starts == start]}
    return np.stack([found[int(place)] for place in places])


def _above(samples: NDArray[np.uint8], training: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return samples, then training images, as one array: these at the samples' size, grey in colour if either is."""
    if training.shape[2:] != samples.shape[2:]:
        training = _resized(training, *samples.shape[2:])
    channels = max(samples.shape[1], training.shape[1])
    return np.concatenate([each.repeat(channels // each.shape[1], axis=1) for each in (samples, training)])


def _shown(gathered: Gathered) -> Shown:
    return MANY if max(gathered.test.pixels.shape[2:]) <= SMALL else FEW


def _sheet(images: NDArray[np.uint8], columns: int) -> bytes:
    height, width = images.shape[2:]
    if (longer := max(height, width)) > SIDE:
        images = _resized(images, max(1, round(height * SIDE / longer)), max(1, round(width * SIDE / longer)))
    return png(grid(images, columns, width=0))


def _resized(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return images [n, C, H, W] of another size, channel by channel."""
    from PIL import Image

    n, channels = images.shape[:2]
    found = np.empty((n, channels, height, width), np.uint8)
    for place in np.ndindex(n, channels):
        found[place] = np.asarray(Image.fromarray(images[place]).resize((width, height), Image.Resampling.LANCZOS))
    return found


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()
