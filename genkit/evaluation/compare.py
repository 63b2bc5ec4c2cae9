"""Compare two sets of images, with no model."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data import ImageDataset, Split, open_images
from genkit.data.open import absolute_reference_or_same
from genkit.errors import DataError, Unmeasurable, UsageError
from genkit.evaluation.arrays import compare_features, compare_statistics
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import Evaluation, measured_and_stored, resolve_config, store_record
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.given import images_given
from genkit.evaluation.paired import compare_pairs
from genkit.evaluation.parts import PartsFolder, parts_folder
from genkit.evaluation.statistics import (
    Statistics,
    StatisticsEvaluator,
    read_statistics,
    save_reference_statistics,
)
from genkit.features import own_extractor
from genkit.features.cache import Progress, quiet
from genkit.features.given import GIVEN
from genkit.features.parts import Part
from genkit.files.text import logger
from genkit.metrics.numerics.frechet import FeatureStatistics
from genkit.results import store
from genkit.results.records import Subject

_LOG = logger(__name__)

WHOLE = 1 << 62
"""More samples than any set has: all are measured."""

_WHOLE = (
    "only two sets of images are compared in parts, without --paired, --save-stats and features made elsewhere: run "
    "this as one process, without --part and torchrun"
)


def compare(
    samples: Any,
    reference: Any,
    config: EvalConfig | None = None,
    *,
    paired: bool = False,
    save_stats: Path | str | None = None,
    name: str = "",
    origin: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: Progress = quiet,
    keep: bool = False,
    part: Part | str | None = None,
    spool: Path | str | None = None,
    **options: Any,
) -> Evaluation:
    """Compare a set of images with a reference set; the record goes under ``folder`` if given.

    Each is a path or name for ``open_images``, such as a folder, an opened data set or split, or images: an array,
    tensor or list [N, C, H, W], [N, H, W, C] or [N, H, W], uint8 or float in [0, 1], or a tuple of such and its labels.
    Options are given as one ``config``, or as its fields, e.g. ``features="inception"``. All images are used, or a
    random ``count`` of them. The reference is the training split of a data set that came with splits, else all its
    images. The extractor is the reference's own, or ``inception`` if it has none. Class folders named like the
    reference's classes give labels. ``origin`` records where the images are from; ``keep`` is the evaluator's. Paths
    are opened by the rules of the protocol's package, by which images may have several sizes.

    Either side may be statistics, a FeatureStatistics or an .npz file with ``mu`` and ``sigma``: fid is then measured,
    without an interval; of a reference's file with images too, fid comes from the statistics and the rest from the
    images. With ``features="given"`` both are files of features (genkit.features.given). ``paired`` compares each image
    with its truth. ``save_stats`` is an .npz file for the statistics of the reference's features.

    ``part``, ``spool`` and torchrun are as for ``evaluate``, for two sets of images whose record goes under ``folder``.

    Raises DataError for a set of fewer than two images, UsageError for shapes that an extractor can't compare,
    Unmeasurable if no requested metric applies.
    """
    config = resolve_config(config, options, WHOLE)
    opening = config.protocol_preset.opening
    if isinstance(samples, Path | str) and isinstance(reference, Path | str):
        origin = origin or {
            "samples": absolute_reference_or_same(str(samples)),
            "reference": absolute_reference_or_same(str(reference)),
            "opening": dict(opening),
        }
    if folder is not None:
        store.ready(folder)
    name = name or (str(samples) if isinstance(samples, Path | str) else "images")
    parts = _parts_folder(part, spool, folder, name)
    if parts is not None and (paired or save_stats is not None or GIVEN in config.extractors):
        raise UsageError(_WHOLE)
    if config.extractors == [GIVEN]:
        if paired or not (isinstance(samples, Path | str) and isinstance(reference, Path | str)):
            raise UsageError("--features given compares two files of features: name both, and leave --paired out")
        measured = compare_features(str(samples), str(reference), config, origin or {}, progress, save_stats)
        return _kept(measured, folder)
    if GIVEN in config.extractors:
        raise UsageError("--features given compares files of features: leave the other extractors out")
    open_set = functools.partial(open_images, **opening)
    samples = samples if isinstance(samples, Split) else open_side(samples, "samples", open_set)
    against = open_side(reference, "reference", open_set)
    if isinstance(samples, ImageDataset):
        config.say_departures(samples)
    if isinstance(samples, Statistics) or isinstance(against, Statistics):
        if paired or save_stats is not None:
            raise UsageError("statistics are given in place of images: leave --paired and --save-stats out")
        if parts is not None:
            raise UsageError(_WHOLE)
        return _kept(compare_statistics(samples, against, config, name, origin or {}, progress), folder)
    content = samples.sha256 if isinstance(samples, ImageDataset) else ""
    options = {**(origin or {}), "sha256": content} if content else {}
    split = _labelled_as(samples, against) if isinstance(samples, ImageDataset) else samples
    if paired:
        if save_stats is not None:
            raise UsageError("pairs are compared without features: leave --save-stats out")
        return _kept(compare_pairs(split, against, config, name, options, progress), folder)
    evaluator = _evaluator(name, split, against, config, progress, keep)
    if save_stats is not None:
        save_reference_statistics(save_stats, evaluator)
    subject = Subject(name, kind="images", options=options)

    def measure() -> Measurement:
        return _scored(evaluator.measure(subject, images=split, content=content))

    return Evaluation(measure().record) if folder is None else measured_and_stored(evaluator, folder, measure, parts)


def _parts_folder(
    part: Part | str | None, spool: Path | str | None, folder: Path | None, name: str
) -> PartsFolder | None:
    """Return where the parts of a comparison meet, one folder for each set that is measured; None without parts."""
    if folder is not None:
        return parts_folder(
            part,
            spool,
            folder,
            folder / "parts" / hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12],
        )
    if part is not None or spool is not None:
        raise UsageError("the parts of a comparison write one record: name its folder too")
    return None


def open_side(
    given: Any, what: str, open_set: Callable[[str], ImageDataset] = open_images
) -> ImageDataset | Statistics:
    """Return what is given, or what a name opens: statistics if its file holds no images, else a data set."""
    if isinstance(given, FeatureStatistics):
        return Statistics("statistics", given)
    if isinstance(given, Statistics):
        return given
    if isinstance(given, Path | str):
        found = read_statistics(given)
        if found is None and (path := Path(given)).is_file() and path.suffix.lower() in (".pt", ".safetensors"):
            raise UsageError(f"{given} holds no images: features are compared by --features given")
        return open_set(str(given)) if found is None or found.with_images else found
    return images_given(given, what)


def _evaluator(
    name: str, split: Split, reference: ImageDataset, config: EvalConfig, progress: Progress, keep: bool
) -> Evaluator:
    """Return the evaluator of two sets of images; raises DataError or UsageError for sets that can't be compared."""
    against = reference.train if reference.own_splits else reference.everything()
    for what, each in ((name, split), (reference.name, against)):
        if len(each) < 2:
            held = "a single image" if len(each) else "no image"
            raise DataError(f"{what} holds {held}: at least 3 are needed to compare sets, for most metrics more")
    features = config.extractors or own_extractor(reference) or "inception"
    config = dataclasses.replace(config, features=features, count=min(config.count, len(split)))
    statistics = read_statistics(reference.name)
    arguments = (reference, config, progress)
    if statistics is None:
        evaluator = Evaluator(*arguments, against=against, keep=keep)
    else:
        evaluator = StatisticsEvaluator(statistics, *arguments, against=against, keep=keep)
    shape, other = split.pixels.shape[1:], against.pixels.shape[1:]
    mixed = split.sizes is not None or against.sizes is not None
    for extractor in evaluator.extractors:
        extractor.accepts(shape)
        if extractor.dim == 0 and mixed:
            raise UsageError(f"{extractor.name} compares images of one size: make them so with --size")
        if extractor.dim == 0 and shape != other:
            here, there = ("x".join(map(str, each)) for each in (shape, other))
            raise UsageError(
                f"{extractor.name} compares images of one size, not {here} with {there} (channels x height x width): "
                "make them so with --size or --grey, or choose another extractor"
            )
    return evaluator


def _kept(measured: Measurement, folder: Path | None) -> Evaluation:
    """Store the record; raises Unmeasurable for one without scores."""
    return Evaluation(_scored(measured).record, store_record(folder, measured) if folder else None)


def _scored(measured: Measurement) -> Measurement:
    """Raise Unmeasurable for a record without scores."""
    record = measured.record
    if not record.scores:
        together = {
            why: [each for each in record.absent if record.absent[each] == why] for why in record.absent.values()
        }
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in together.items())
        raise Unmeasurable(f"no requested metric can be computed for {record.subject.name} ({reasons})")
    return measured


def _labelled_as(samples: ImageDataset, reference: ImageDataset) -> Split:
    """All images of a data set, with the reference's labels where its classes have the same names, else with none."""
    split = samples.everything()
    if split.labels is None:
        return split
    if other := sorted(set(samples.classes) - set(reference.classes)):
        what = (
            f"{other[0]!r} is no class of {reference.name}" if reference.classes else f"{reference.name} has no labels"
        )
        _LOG.warning("%s: its labels are not used, as %s", samples.name, what)
        return dataclasses.replace(split, labels=None)
    places = np.array([reference.classes.index(each) for each in samples.classes], np.int64)
    return dataclasses.replace(split, labels=places[split.labels])
