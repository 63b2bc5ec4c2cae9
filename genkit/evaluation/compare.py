"""Compare two sets of images, with no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data import ImageDataset, Split, open_images
from genkit.data.open import absolute_reference
from genkit.errors import DataError, Unmeasurable, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import Evaluation, resolve_config, store_record
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.given import images_given
from genkit.features import own_extractor
from genkit.features.cache import Progress, quiet
from genkit.results import store
from genkit.results.records import Subject


def compare(
    samples: Any,
    reference: Any,
    config: EvalConfig | None = None,
    *,
    name: str = "",
    origin: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: Progress = quiet,
    keep: bool = False,
    **options: Any,
) -> Evaluation:
    """Compare a set of images with a reference set; the record goes under ``folder`` if given.

    Each is a path or name for ``open_images``, such as a folder, an opened data set or split, or images: an array,
    tensor or list [N, C, H, W], [N, H, W, C] or [N, H, W], uint8 or float in [0, 1], or a tuple of such and its labels.
    Options are given as one ``config``, or as its fields, e.g. ``features="inception"``. All images are used, or a
    random ``count`` of them. The reference is the training split of a data set that came with splits, else all its
    images. The extractor is the reference's own, or ``inception`` if it has none. Class folders named like the
    reference's classes give labels. ``origin`` records where the images are from; ``keep`` is the evaluator's. Raises
    DataError for a set of fewer than two images, UsageError for shapes that an extractor can't compare, Unmeasurable if
    no requested metric applies to images.
    """
    if isinstance(samples, Path | str) and isinstance(reference, Path | str):
        origin = origin or {
            "samples": absolute_reference(str(samples)),
            "reference": absolute_reference(str(reference)),
            "opening": {},
        }
    if isinstance(samples, Path | str):
        name, samples = name or str(samples), open_images(str(samples))
    if isinstance(reference, Path | str):
        reference = open_images(str(reference))
    reference = images_given(reference, "reference")
    if not isinstance(samples, Split):
        samples = images_given(samples, "samples")
    name = name or "images"
    content = ""
    if isinstance(samples, ImageDataset):
        content = samples.sha256
        samples = _labelled_as(samples, reference)
    against = reference.train if reference.own_splits else reference.everything()
    for what, split in ((name, samples), (reference.name, against)):
        if len(split) < 2:
            held = "a single image" if len(split) else "no image"
            raise DataError(f"{what} holds {held}: at least 3 are needed to compare sets, for most metrics more")
    config = resolve_config(config, options, max(2, len(samples)))
    config = dataclasses.replace(config, features=config.extractors or own_extractor(reference) or "inception")
    if folder is not None:
        store.ready(folder)
    evaluator = Evaluator(reference, config, progress, against=against, keep=keep)
    shape, other = samples.pixels.shape[1:], against.pixels.shape[1:]
    for extractor in evaluator.extractors:
        extractor.accepts(shape)
        if extractor.dim == 0 and shape != other:
            here, there = ("x".join(map(str, each)) for each in (shape, other))
            raise UsageError(
                f"{extractor.name} compares images of one size, not {here} with {there} (channels x height x width): "
                "make them so with --size or --grey, or choose another extractor"
            )
    subject = Subject(name, kind="images", options={**(origin or {}), "sha256": content} if content else {})
    measured = evaluator.measure(subject, images=samples, content=content)
    if not measured.record.scores:
        absent = measured.record.absent
        together = {reason: [each for each in absent if absent[each] == reason] for reason in absent.values()}
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in together.items())
        raise Unmeasurable(f"no requested metric can be computed for {name} ({reasons})")
    return Evaluation(measured.record, store_record(folder, measured) if folder else None)


def _labelled_as(samples: ImageDataset, reference: ImageDataset) -> Split:
    """All images of a data set, with the reference's labels where its classes have the same names, else with none."""
    split = samples.everything()
    if split.labels is None or not set(samples.classes) <= set(reference.classes):
        return dataclasses.replace(split, labels=None)
    places = np.array([reference.classes.index(each) for each in samples.classes], np.int64)
    return dataclasses.replace(split, labels=places[split.labels])
