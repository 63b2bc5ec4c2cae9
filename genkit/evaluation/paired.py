"""Compare restored images with their truths, pair by pair: in-painting, super-resolution, denoising."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data import ImageDataset, Split
from genkit.errors import DataError, GenkitError, UsageError
from genkit.evaluation.arrays import record_of
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.scoring import score
from genkit.features.cache import Progress
from genkit.files.temporaries import Scratch
from genkit.files.text import logger
from genkit.metrics.evidence import TEST_CHUNK, Evidence
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.results.records import Subject

_LOG = logger(__name__)

PAIRED = "paired"
"""Stands in the choices of such scores, which are not those of a model's reconstructions."""

_PER_IMAGE = ("reconstruct",)
"""The needs of metrics that compare an image with its truth."""


def compare_pairs(
    restored: Split,
    truths: ImageDataset,
    config: EvalConfig,
    name: str,
    options: Mapping[str, Any],
    progress: Progress,
) -> Measurement:
    """Measure mse, psnr, ssim and the other metrics of reconstructions on pairs of images.

    Images are paired by their file names, else by order. Raises DataError if not every image has its truth, UsageError
    for images of other shapes or for a count below theirs.
    """
    against = truths.everything()
    if restored.pixels.shape[1:] != against.pixels.shape[1:]:
        here, there = ("x".join(map(str, each.pixels.shape[1:])) for each in (restored, against))
        raise UsageError(
            f"{name} is {here} and {truths.name} {there} (channels x height x width), and pairs have one shape: "
            "make them so with --size or --grey"
        )
    if restored.sizes is not None or against.sizes is not None:
        raise UsageError(f"pairs have one shape, and {name} or {truths.name} has several: make them so with --size")
    places = pairs(restored, against, name, truths.name)
    if config.count < len(restored):
        raise UsageError(f"all {len(restored):,} pairs are measured: leave the number of samples out")
    offered = {offer.spec.name: offer.spec for offer in registry().offers(MetricSpec)}
    wanted = [registry().find(MetricSpec, each).spec for each in config.wanted or offered]
    apply = [spec.name for spec in wanted if spec.needs == _PER_IMAGE]
    if not apply:
        raise UsageError(f"none of these metrics compares pairs: choose {', '.join(_of_pairs(offered))}")
    evaluator = Evaluator(truths, dataclasses.replace(config, metrics=apply, features=None), progress, against=against)
    protocol = evaluator.protocol(len(restored), None)
    data = {**protocol.data, "reference": PAIRED, "test": PAIRED}
    protocol = dataclasses.replace(protocol, data=data)
    scores = []
    absent = {s.name: "images are compared in pairs: leave --paired out" for s in wanted if s.name not in apply}
    with Scratch() as folder:
        truth = _mapped(against, _order(against)[places[1]], folder / "truths.npy")
        output = _mapped(restored, _order(restored)[places[0]], folder / "restored.npy")
        for spec in evaluator.specs:
            evidence = Evidence.of_arrays(
                test_images=truth,
                reconstructions=output,
                parameters=evaluator.parameters(spec),
                device=evaluator.device,
                progress=progress,
                seed=config.seed,
            )
            try:
                scores.append(score(spec, spec.name, evidence, protocol))
            except GenkitError as error:
                absent[spec.name] = str(error)
    subject = Subject(name, kind="images", options=dict(options))
    return Measurement(record_of(evaluator, subject, protocol, scores, absent), {})


def pairs(restored: Split, truths: Split, name: str, other: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places, in the order of their sources, of images and of their truths; logs how pairs were made.

    Raises DataError where an image has no truth, or where two have.
    """
    one, two = _names(restored), _names(truths)
    if one is None or two is None:
        if len(restored) != len(truths):
            raise DataError(
                f"{name} has {len(restored):,} images and {other} {len(truths):,}, without file names to pair them by: "
                "give as many"
            )
        _LOG.warning("paired by order, as the images have no file names")
        return np.arange(len(restored)), np.arange(len(truths))
    how = "file names"
    if set(one) != set(two):
        one, two = ([str(PurePath(each).with_suffix("")) for each in names] for names in (one, two))
        how = "file names without their endings"
    for names, where in ((one, name), (two, other)):
        if len(set(names)) < len(names):
            raise DataError(f"{where} has several images of one name, which can't be paired: rename them")
    for here, there, where, lacks in ((one, two, name, other), (two, one, other, name)):
        if alone := sorted(set(here) - set(there)):
            raise DataError(
                f"{len(alone):,} images of {where} have no image of that name in {lacks}, such as {alone[0]}: "
                "give both the same file names"
            )
    _LOG.warning("%d pairs by %s", len(one), how)
    by_name = {each: place for place, each in enumerate(two)}
    return np.arange(len(one)), np.array([by_name[each] for each in one], np.int64)


def _names(split: Split) -> Sequence[str] | None:
    """Return the names in the order of the source."""
    return None if split.names is None else [split.names[place] for place in _order(split)]


def _order(split: Split) -> NDArray[np.int64]:
    return np.arange(len(split)) if split.order is None else np.asarray(split.order)


def _mapped(split: Split, places: NDArray[np.int64], path: Path) -> NDArray[np.float32]:
    """Return the images at these places in [0, 1], [n, C, H, W], as a memory map."""
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (len(places), *split.pixels.shape[1:]))
    for start in range(0, len(places), TEST_CHUNK):
        mapped[start : start + TEST_CHUNK] = split.images(places[start : start + TEST_CHUNK]).numpy()
    return mapped


def _of_pairs(offered: Mapping[str, MetricSpec]) -> list[str]:
    return [name for name, spec in offered.items() if spec.needs == _PER_IMAGE]
