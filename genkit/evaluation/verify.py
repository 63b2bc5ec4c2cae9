"""Verify a record: torch-fidelity and torchmetrics, given the same images, must get the same numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genkit.data import ImageDataset
from genkit.errors import DataError, MissingError, UnknownName, one_line
from genkit.evaluation import other_packages
from genkit.evaluation.evaluate import Evaluation
from genkit.evaluation.other_packages import Sets
from genkit.evaluation.reopen import (
    CHUNK,
    Reopened,
    WrittenImages,
    extractor_choices,
    extractor_name,
    read_record,
    reopen,
)
from genkit.features import load_extractor, manifest
from genkit.features.cache import Progress, identity, quiet
from genkit.files.temporaries import Scratch
from genkit.report.text import table
from genkit.results import store
from genkit.results.records import Record, RecordedScore
from genkit.training.runs import find_run

TOLERANCES: Mapping[str, float] = {
    "fid": 1e-4,
    "kid": 1e-4,
    "is": 1e-4,
    "mifid": 1e-4,
    "precision": 2e-3,
    "recall": 2e-3,
    "f_score": 2e-3,
    "psnr": 1e-5,
    "ssim": 1e-5,
    "ms_ssim": 1e-5,
}
"""The largest relative difference that verifies a metric; docs/reference/parity.md states and explains them."""

SINGULAR = 2e-3
"""That of Frechet distances where a set has no more images than features: the packages' matrix root is inexact."""

BORDERLINE = 2.5
"""Images that precision and recall, and so the F-score, may count differently: those on the border, in float32."""

FLOORS: Mapping[str, float] = {"fid": 1.0, "mifid": 1.0, "kid": 0.1}
"""Values below these are compared as if they were these: a distance near 0 is a difference of rounded numbers.

A KID is one of means of kernels, which are above 1: rounded to a millionth, they leave a few millionths of it.
"""

PACKAGES = {"torch-fidelity": other_packages.torch_fidelity, "torchmetrics": other_packages.torchmetrics}
RECONSTRUCTIONS = ("psnr", "ssim", "ms_ssim")


@dataclass(frozen=True)
class Check:
    """One score against one package: ``theirs`` is None, and ``reason`` says why, where the package has no number.

    ``difference`` is relative to the package's value, or to the floor of the metric if that is larger.
    ``features`` says whose network made the features.
    """

    score: str
    package: str
    features: str
    ours: float
    theirs: float | None
    difference: float | None
    tolerance: float
    reason: str = ""

    @property
    def within(self) -> bool | None:
        """Whether the difference is within the tolerance; None without a number of the package."""
        return None if self.difference is None else self.difference <= self.tolerance


@dataclass(frozen=True, repr=False)
class Verification:
    """A record's numbers against those of other packages; ``ok`` if any were compared and all are within tolerance."""

    subject: str
    checks: tuple[Check, ...]

    @property
    def compared(self) -> tuple[Check, ...]:
        """The checks in which the package has a number."""
        return tuple(check for check in self.checks if check.theirs is not None)

    @property
    def ok(self) -> bool:
        """Whether numbers were compared and all agree."""
        return bool(self.compared) and all(check.within for check in self.compared)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        checks = [{**dataclasses.asdict(check), "within": check.within} for check in self.checks]
        return {"subject": self.subject, "ok": self.ok, "checks": checks}

    def __repr__(self) -> str:
        rows = [["score", "genkit", "package", "its value", "difference", "allowed", "", "features by"]]
        unknown: dict[str, list[str]] = {}
        for check in self.checks:
            if check.theirs is None or check.difference is None:
                unknown.setdefault(f"{check.package}: {check.reason}".removeprefix(": "), []).append(check.score)
            else:
                verdict = "within" if check.within else "NOT WITHIN"
                figures = [f"{check.theirs:.9g}", f"{check.difference:.1e}", f"{check.tolerance:.0e}"]
                rows.append([check.score, f"{check.ours:.9g}", check.package, *figures, verdict, check.features])
        agreed = sum(bool(check.within) for check in self.compared)
        verdict = f"{agreed} of {len(self.compared)} numbers agree" if self.compared else "no number can be compared"
        notes = [f"  not compared: {', '.join(names)} ({why})" for why, names in unknown.items()]
        lines = [one_line(f"{self.subject}: {verdict}"), table(rows, right=(1, 3, 4, 5), indent=2)]
        return "\n".join([*lines, *map(one_line, notes)])


def verify(
    target: Evaluation | Path | str,
    *,
    runs: Path | str = "runs",
    metrics: str | Sequence[str] | None = None,
    weights: Path | str | None = None,
    dataset: ImageDataset | Path | str | None = None,
    device: str = "auto",
    progress: Progress = quiet,
) -> Verification:
    """Give a record's images to torch-fidelity and torchmetrics, and compare their numbers with the recorded ones.

    ``target`` is what ``evaluate`` or ``compare`` returned, a record's file, or a run, by path or id below ``runs``;
    of a run, the newest record of its last checkpoint is taken. Samples are drawn again from the checkpoint on the
    recorded kind of device, or sets of images are opened again; all must still have the recorded hashes. ``metrics``
    limits what is compared; ``weights`` is the extractor's file where it is not the installed one; ``dataset`` says
    where a run's data is now, if it was moved.
    Raises MissingError if there is no such record, run, checkpoint or image, DataError if data has changed, UnknownName
    for a metric that the record lacks.
    """
    path = _record_path(Path(target), Path(runs))
    return verify_record(
        read_record(path),
        path,
        runs=runs,
        metrics=metrics,
        weights=weights,
        dataset=dataset,
        device=device,
        progress=progress,
    )


def verify_record(
    record: Record,
    path: Path | None = None,
    *,
    runs: Path | str = "runs",
    metrics: str | Sequence[str] | None = None,
    weights: Path | str | None = None,
    dataset: ImageDataset | Path | str | None = None,
    device: str = "auto",
    progress: Progress = quiet,
) -> Verification:
    """Verify a record in memory; ``path`` is its file, from which a run is found. Raises as ``verify``."""
    _require_complete(record)
    scores = _chosen(record, metrics)
    reopened = reopen(record, path, Path(runs), device, dataset)
    checks = [
        Check(score.name, "", "", score.value, None, None, 0.0, reason)
        for score in scores
        if (reason := _unknown(score))
    ]
    with Scratch() as folder:
        written = WrittenImages(reopened, folder, progress)
        for choices, count, group in _by_images(scores):
            sets = _sets(written, choices, count, weights, reopened.device)
            for name, package in PACKAGES.items():
                values = package(sets, group, progress)
                own = other_packages.own_inception(name, choices)
                features = "its own Inception" if own else f"genkit's {sets.extractor.name}"
                checks += [
                    _check(score, name, features, values[score.name], _tolerance(score, sets)) for score in group
                ]
    if reopened.model is not None:
        checks += _reconstructions(reopened, [score for score in scores if score.metric in RECONSTRUCTIONS])
    order = {score.name: place for place, score in enumerate(scores)}
    checks = sorted(_worth_showing(checks), key=lambda check: order[check.score])
    images = f", {record.training.images:,} images" if record.training else ""
    where = f" ({path})" if path is not None else ""
    return Verification(f"{record.subject.name} on {record.dataset}{images}{where}", tuple(checks))


def _require_complete(record: Record) -> None:
    """Raise DataError for a record without what its images and extractors are found by; one may have been edited."""
    said = {f"{group}.{key}" for group, choices in record.protocol.items() for key in choices}
    drawn = {f"samples.{key}" for key in ("count", "chunk", "seed", "quantisation")}
    missing = {*drawn, "data.sha256", "hardware.device"} - said
    for score in record.scores:
        if score.metric in TOLERANCES and score.metric not in RECONSTRUCTIONS:
            missing |= {"samples.count", "features.extractor", "features.sha256"} - set(score.choices)
    if missing:
        raise DataError(f"the record is not complete: it does not say {', '.join(sorted(missing))}")


def _unknown(score: RecordedScore) -> str:
    """Return why no package has a score, or an empty string."""
    if score.choices.get("data.reference") == "statistics":
        return "it is measured from statistics, not from images"
    return "" if score.metric in TOLERANCES else "neither package has it"


def _by_images(scores: Sequence[RecordedScore]) -> Iterator[tuple[Mapping[str, str], int, list[RecordedScore]]]:
    """Group scores of features by what they are of: an extractor with its choices, and a number of samples."""
    groups: dict[tuple[Any, ...], tuple[dict[str, str], int, list[RecordedScore]]] = {}
    for score in scores:
        features = {
            key.removeprefix("features."): value for key, value in score.choices.items() if key.startswith("features.")
        }
        if features and not _unknown(score):
            count = score.choices["samples.count"]
            groups.setdefault((*sorted(features.items()), count), (features, count, []))[2].append(score)
    yield from groups.values()


def _sets(
    written: WrittenImages, choices: Mapping[str, str], count: int, weights: Path | str | None, device: torch.device
) -> Sets:
    """Return both sets of images and the extractor of a group of scores, loaded from the recorded weights."""
    name = extractor_name(choices)
    extractor = load_extractor(name, weights=weights, device=str(device), choices=extractor_choices(choices))
    if extractor.sha256 != choices["sha256"]:
        raise DataError(f"{name} has other weights here than the record's: name their file with --weights")
    if identity(extractor) != dict(choices):
        raise DataError(f"{name} prepares images differently here than the record says: {identity(extractor)}")
    file = Path(weights) if weights is not None else manifest.find("inception").path
    return Sets(written.samples(count), written.reference(), extractor, choices, file)


def _check(score: RecordedScore, package: str, features: str, answer: float | str, tolerance: float) -> Check:
    if isinstance(answer, str):
        return Check(score.name, package, "", score.value, None, None, tolerance, answer)
    size = max(abs(answer), FLOORS.get(score.metric, np.finfo(np.float64).tiny))
    difference = 0.0 if score.value == answer else float(abs(score.value - answer) / size)  # both may be infinite
    return Check(score.name, package, features, score.value, answer, difference, tolerance)


def _tolerance(score: RecordedScore, sets: Sets) -> float:
    if score.metric in ("precision", "recall", "f_score"):
        counted = {"precision": len(sets.samples), "recall": len(sets.reference)}
        least = counted.get(score.metric, min(counted.values()))
        return max(TOLERANCES[score.metric], BORDERLINE / least / max(score.value, 1 / least))
    width = sets.extractor.dim or sets.samples[0].size  # pixels' width is that of the images
    singular = width >= min(len(sets.samples), len(sets.reference))
    return SINGULAR if singular and score.metric in ("fid", "mifid") else TOLERANCES[score.metric]


def _reconstructions(reopened: Reopened, scores: Sequence[RecordedScore]) -> list[Check]:
    """Compare scores of reconstructions: of the test images, all at once."""
    if not scores or reopened.model is None:
        return []
    reconstruct = reopened.model.reconstruct
    assert callable(reconstruct)
    originals, made = [], []
    with torch.no_grad():
        for images in reopened.dataset.test.chunks(CHUNK):
            originals.append(images)
            made.append(reconstruct(images.to(reopened.device)).float().cpu())
    both = torch.cat(originals), torch.cat(made)
    return [
        _check(score, "torchmetrics", "", other_packages.reconstruction(score, *both), TOLERANCES[score.metric])
        for score in scores
    ]


def _record_path(target: Path, runs: Path) -> Path:
    """Return a record's file: the target itself, or the newest of a run's, of its last checkpoint if it has one."""
    if target.is_file():
        return target
    try:
        run = find_run(runs, str(target))
    except MissingError as error:
        raise MissingError(f"there is no record {target}, and {str(error).removeprefix('there is ')}") from error
    homes = [run.path, *run.path.parents[3:4]]  # genkit bench keeps OUT/runs and OUT/records
    stored = [each for home in homes for each in store.scan(home / "records", store.log_left_out)]
    mine = [each for each in stored if each.record.training is not None and each.record.training.run == run.id]
    mine.sort(key=lambda each: each.record.place)
    if not mine:
        raise MissingError(f"run {run.path} has no record yet: genkit eval --run {run.path}")
    last = [each for each in mine if each.record.training is not None and each.record.training.finished]
    return Path((last or mine)[-1].path)


def _chosen(record: Record, metrics: str | Sequence[str] | None) -> list[RecordedScore]:
    """Return the scores to verify, all or those of the metrics named; raises UnknownName for one not recorded."""
    metrics = [metrics] if isinstance(metrics, str) else metrics
    names = [name for score in record.scores for name in (score.name, score.metric)]
    for metric in metrics or ():
        if metric not in names:
            raise UnknownName("score in the record", metric, names)
    return [score for score in record.scores if metrics is None or {score.name, score.metric} & set(metrics)]


def _worth_showing(checks: Sequence[Check]) -> Iterator[Check]:
    """Leave out what a package lacks of a score that another one has."""
    known = {check.score for check in checks if check.theirs is not None}
    seen: set[str] = set()
    for check in checks:
        if check.theirs is not None:
            yield check
        elif check.score not in known and check.score not in seen:
            seen.add(check.score)
            yield check
