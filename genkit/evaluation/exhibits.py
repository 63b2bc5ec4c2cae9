"""Pictures and curves of one evaluation, stored next to its record, so that reports need neither model nor data."""

from __future__ import annotations

import dataclasses
import functools
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from genkit.data.images import grid, png, quantize
from genkit.errors import GenkitWarning
from genkit.evaluation.memorization import closest_pairs
from genkit.evaluation.samples import SplitImages
from genkit.features.cache import Samples
from genkit.files.guard import guarded, sentence
from genkit.metrics.evidence import Evidence
from genkit.results.log import COUNTERS, finite, read_log
from genkit.results.origin import Origin, stamped
from genkit.seeds import derive

SMALL, SIDE = 32, 64
"""The largest side of a small image in pixels, and the largest side at which an image is shown."""
POINTS = 200
"""Maximum number of points of a curve."""


class Sheets(NamedTuple):
    """The number of samples and of their columns, of samples closest to training images, and of reconstructions."""

    samples: int
    columns: int
    memorised: int
    reconstructions: int


MANY, FEW = Sheets(64, 8, 8, 16), Sheets(12, 4, 6, 4)
"""For small and for large images, whose sheets would otherwise be larger than everything else in a record."""


def exhibits(evidence: Evidence) -> dict[str, bytes]:
    """Return the exhibits of an evaluation, the content of files by name; a picture that fails gives a GenkitWarning.

    ``samples.png``: 64 samples in rows of 8, from the same random numbers for all models. ``memorised.png``: the eight
    samples closest to training images, one for each training image, above these images; ``memorised.json`` holds their
    ratios (genkit.evaluation.memorization) and indices. As many samples are searched as the test split has images, so
    that they can be compared with those of the test split. ``reconstructions.png``: 16 test images above their
    reconstructions. Images are not resized unless they are larger than 64 pixels; of images larger than 32 pixels fewer
    are shown.
    """
    files: dict[str, bytes] = {}
    for draw in (_samples, _memorised, _reconstructions):
        with guarded(functools.partial(_not_shown, draw.__name__[1:])):
            files |= draw(evidence)
    return files


def _not_shown(what: str, error: BaseException) -> None:
    warnings.warn(f"{what} are not shown: {sentence(error)}", GenkitWarning, stacklevel=4)


def _samples(evidence: Evidence) -> dict[str, bytes]:
    shown = _sheets(evidence)
    images = _sampled(evidence, _representative(evidence.samples, shown.samples))
    return {"samples.png": _sheet(images, shown.columns)}


def _memorised(evidence: Evidence) -> dict[str, bytes]:
    """Only if a metric has extracted features: a pass over the samples would be too expensive for a picture."""
    if evidence.extractor is None or not evidence.generated.extracted:
        return {}
    training = evidence.reference.samples
    places = _representative(evidence.samples, len(evidence.test))
    if min(len(places), training.count) < 2:
        return {}
    count = _sheets(evidence).memorised
    pairs = closest_pairs(evidence.real_features, evidence.generated_features[places], count)
    if not len(pairs.ratio):
        return {}
    pairs = pairs._replace(sample=places[pairs.sample])
    images = _above(_sampled(evidence, pairs.sample), _draw(training, pairs.training))
    facts = {**{key: values.tolist() for key, values in pairs._asdict().items()}, "extractor": evidence.extractor.name}
    return {
        "memorised.png": _sheet(images, columns=len(pairs.ratio)),
        "memorised.json": _json(facts),
    }


def _reconstructions(evidence: Evidence) -> dict[str, bytes]:
    """Evenly spaced test images, as data may be sorted by class."""
    if not callable(getattr(evidence.model, "reconstruct", None)):
        return {}
    test = evidence.test
    count = min(_sheets(evidence).reconstructions, len(test))
    places = np.linspace(0, len(test) - 1, count).round().astype(np.int64)
    torch.manual_seed(derive(evidence.seed, "exhibits"))
    reconstructions = evidence.reconstruct(test.images(places).to(evidence.device))
    pairs = [test.uint8(places), quantize(reconstructions).cpu().numpy()]
    return {"reconstructions.png": _sheet(np.concatenate(pairs), columns=len(places))}


def signed(files: Mapping[str, bytes], origin: Origin) -> dict[str, bytes]:
    """Return exhibits whose pictures say where they are from; all but the samples show images of the data too."""
    return {
        name: stamped(data, dataclasses.replace(origin, composite=name != "samples.png"))
        if name.endswith(".png")
        else data
        for name, data in files.items()
    }


def curves(log: Path) -> dict[str, bytes]:
    """Return ``curves.json``: logged values against the number of training images, at most 200 points.

    ``{"images": [...], "curves": {name: [values]}}``, null where a value was not logged; empty without a log.
    """
    lines = list(read_log(log))
    if not lines:
        return {}
    kept = np.unique(np.linspace(0, len(lines) - 1, min(POINTS, len(lines))).round().astype(int))
    lines = [lines[place] for place in kept]
    names = dict.fromkeys(name for line in lines for name in line if name not in COUNTERS)
    values = {name: [finite(line.get(name)) for line in lines] for name in names}
    return {"curves.json": _json({"images": [line["images"] for line in lines], "curves": values})}


def _representative(samples: Samples, count: int) -> NDArray[np.int64]:
    """Return the indices of at most ``count`` samples that represent all."""
    return np.arange(samples.count)[samples.subset(min(count, samples.count))]


def _sampled(evidence: Evidence, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return some of the samples, [n, C, H, W], from the cache if a metric needed them there."""
    if evidence.generated.keeps_images and evidence.generated.extracted:
        return evidence.generated.images()[places]
    return _draw(evidence.samples, places)


def _draw(samples: Samples, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Draw some of the samples again, [n, C, H, W]; chunks are independent, so only theirs are drawn."""
    if isinstance(samples, SplitImages):
        return samples.at(places)
    by_index: dict[int, NDArray[np.uint8]] = {}
    starts = places - places % samples.chunk
    for start in np.unique(starts):
        images = next(iter(samples.chunks(int(start))))
        by_index |= {int(place): images[int(place - start)].cpu().numpy() for place in places[starts == start]}
    return np.stack([by_index[int(place)] for place in places])


def _above(samples: NDArray[np.uint8], training: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return samples, then training images resized to them, in one array; grey images in colour if the others are."""
    if training.shape[2:] != samples.shape[2:]:
        training = _resized(training, *samples.shape[2:])
    channels = max(samples.shape[1], training.shape[1])
    return np.concatenate([each.repeat(channels // each.shape[1], axis=1) for each in (samples, training)])


def _sheets(evidence: Evidence) -> Sheets:
    return MANY if max(evidence.test.pixels.shape[2:]) <= SMALL else FEW


def _sheet(images: NDArray[np.uint8], columns: int) -> bytes:
    height, width = images.shape[2:]
    if (longer := max(height, width)) > SIDE:
        images = _resized(images, max(1, round(height * SIDE / longer)), max(1, round(width * SIDE / longer)))
    return png(grid(images, columns, width=0))


def _resized(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return images [n, C, H, W] of another size, channel by channel."""
    from PIL import Image

    n, channels = images.shape[:2]
    resized = np.empty((n, channels, height, width), np.uint8)
    for place in np.ndindex(n, channels):
        resized[place] = np.asarray(Image.fromarray(images[place]).resize((width, height), Image.Resampling.LANCZOS))
    return resized


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()
