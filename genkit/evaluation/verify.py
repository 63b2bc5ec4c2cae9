"""Verify a record: torch-fidelity and torchmetrics, given the same images, must get the same numbers."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genkit.data import ImageDataset, Split
from genkit.devices import pick_device
from genkit.errors import DataError, MissingError, UnknownName, UsageError
from genkit.evaluation import other_packages
from genkit.evaluation.closed_form import load_for_evaluation
from genkit.evaluation.evaluate import Evaluation
from genkit.evaluation.other_packages import Images, Sets
from genkit.evaluation.reopen import extractor_choices, extractor_name, image_sets_of, read_record, run_of
from genkit.evaluation.samples import ModelSamples, SplitImages
from genkit.features import load_extractor, manifest
from genkit.features.cache import Progress, Samples, quiet
from genkit.models.base import GenerativeModel
from genkit.report.text import number, table
from genkit.results.records import Record, RecordedScore
from genkit.training.api import open_run_dataset
from genkit.training.runs import find_run

TOLERANCES: Mapping[str, float] = {
    "fid": 1e-4,
    "kid": 1e-4,
    "is": 1e-4,
    "mifid": 1e-4,
    "precision": 2e-3,
    "recall": 2e-3,
    "psnr": 1e-5,
    "ssim": 1e-5,
}
"""The largest relative difference that verifies a metric; docs/reference/parity.md states and explains them."""

SINGULAR = 2e-3
"""That of Frechet distances where a set has no more images than features: the packages' matrix root is inexact."""

BORDERLINE = 2.5
"""Images that precision and recall may count differently: float32 distances decide for those on the border."""

FLOORS: Mapping[str, float] = {"fid": 1.0, "mifid": 1.0, "kid": 0.01}
"""Values below these are compared as if they were these: a distance near 0 is a difference of rounded numbers."""

PACKAGES = {"torch-fidelity": other_packages.torch_fidelity, "torchmetrics": other_packages.torchmetrics}
RECONSTRUCTIONS = ("psnr", "ssim")
CHUNK = 256


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
        for check in self.checks:
            if check.theirs is None or check.difference is None:
                rows.append([check.score, number(check.ours), check.package, "-", "", "", "-", check.reason])
            else:
                verdict = "within" if check.within else "NOT WITHIN"
                figures = [f"{check.theirs:.9g}", f"{check.difference:.1e}", f"{check.tolerance:.0e}"]
                rows.append([check.score, f"{check.ours:.9g}", check.package, *figures, verdict, check.features])
        agreed = sum(bool(check.within) for check in self.compared)
        verdict = f"{agreed} of {len(self.compared)} numbers agree" if self.compared else "no number can be compared"
        return "\n".join([f"{self.subject}: {verdict}", table(rows, right=(1, 3, 4, 5), indent=2)])


def verify(
    target: Evaluation | Path | str,
    *,
    runs: Path | str = "runs",
    metrics: Sequence[str] | None = None,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress = quiet,
) -> Verification:
    """Give a record's images to torch-fidelity and torchmetrics, and compare their numbers with the recorded ones.

    ``target`` is what ``evaluate`` or ``compare`` returned, a record's file, or a run, by path or id below ``runs``,
    whose newest record is taken. Samples are
    drawn again from the checkpoint, or sets of images opened again; both must still have the recorded hashes.
    ``metrics`` limits what is compared; ``weights`` is the extractor's file where it is not the installed one.
    Raises MissingError if there is no such record, run, checkpoint or image, DataError if data has changed,
    UnknownName for a metric that the record lacks.
    """
    path = _record_path(Path(target), Path(runs))
    return verify_record(read_record(path), path, metrics=metrics, weights=weights, device=device, progress=progress)


def verify_record(
    record: Record,
    path: Path | None = None,
    *,
    metrics: Sequence[str] | None = None,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress = quiet,
) -> Verification:
    """Verify a record in memory; ``path`` is its file, from which a run is found. Raises as ``verify``."""
    scores = _chosen(record, metrics)
    subject = _reopened(record, path, pick_device(device))
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="genkit-") as folder:
        written = _Written(subject, Path(folder), progress)
        for choices, count, group in _by_images(scores):
            sets = _sets(written, choices, count, weights, subject.device)
            for name, package in PACKAGES.items():
                values = package(sets, group, progress)
                own = other_packages.own_inception(name, choices)
                features = "its own Inception" if own else f"genkit's {sets.extractor.name}"
                checks += [
                    _check(score, name, features, values[score.name], _tolerance(score, sets)) for score in group
                ]
    if subject.model is not None:
        checks += _reconstructions(subject, [score for score in scores if score.metric in RECONSTRUCTIONS])
    order = {score.name: place for place, score in enumerate(scores)}
    checks = sorted(_worth_showing(checks), key=lambda check: order[check.score])
    return Verification(f"{record.subject.name} on {record.dataset}", tuple(checks))


@dataclass(frozen=True)
class _Subject:
    """What a record measured, opened again."""

    dataset: ImageDataset
    samples: Samples
    reference: Split
    model: GenerativeModel | None
    device: torch.device


def _reopened(record: Record, path: Path | None, device: torch.device) -> _Subject:
    sampling = record.protocol["samples"]
    if record.training is not None:
        if path is None:
            raise UsageError("the record of a run is verified from its file: name that")
        run, checkpoint = run_of(record, path)
        data = open_run_dataset(run)
        model = load_for_evaluation(run, checkpoint, data.train, device, raw=record.training.weights == "raw")
        drawn = ModelSamples(
            model, sampling["count"], sampling["chunk"], sampling["seed"], device, sampling["quantisation"]
        )
        return _Subject(data, drawn, data.train, model, device)
    if record.subject.kind != "images":
        raise MissingError(f"{record.subject.name} was measured to calibrate a board: it has no run or images to open")
    images, reference = image_sets_of(record)
    against = reference.train if reference.own_splits else reference.everything()
    taken = SplitImages(images.everything(), sampling["count"], sampling["chunk"], sampling["seed"], images.sha256)
    return _Subject(reference, taken, against, None, device)


class _Written:
    """The images of a subject, written once to files that the packages read."""

    def __init__(self, subject: _Subject, folder: Path, progress: Progress) -> None:
        self.subject, self.folder, self.progress = subject, folder, progress
        self._files: dict[str, Images] = {}

    def samples(self, count: int) -> Images:
        """Return the first ``count`` samples as the record took them."""
        whole = self._file("samples", self.subject.samples)
        return whole if count == len(whole) else whole[self.subject.samples.subset(count)]

    def reference(self) -> Images:
        """Return the reference images in the record's order."""
        return self._file("reference", SplitImages(self.subject.reference, len(self.subject.reference), CHUNK))

    def _file(self, name: str, samples: Samples) -> Images:
        if name not in self._files:
            file: Images | None = None
            done = 0
            for chunk in samples.chunks():
                if file is None:
                    shape = (samples.count, *chunk.shape[1:])
                    file = np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", np.uint8, shape)
                file[done : done + len(chunk)] = chunk.cpu().numpy()
                done += len(chunk)
                self.progress(name, done, samples.count)
            assert file is not None
            self._files[name] = file
        return self._files[name]


def _by_images(scores: Sequence[RecordedScore]) -> Iterator[tuple[Mapping[str, str], int, list[RecordedScore]]]:
    """Group scores of features by what they are of: an extractor with its choices, and a number of samples."""
    groups: dict[tuple[Any, ...], tuple[dict[str, str], int, list[RecordedScore]]] = {}
    for score in scores:
        features = {
            key.removeprefix("features."): value for key, value in score.choices.items() if key.startswith("features.")
        }
        if features and score.metric in TOLERANCES:
            count = score.choices["samples.count"]
            groups.setdefault((*sorted(features.items()), count), (features, count, []))[2].append(score)
    yield from groups.values()


def _sets(
    written: _Written, choices: Mapping[str, str], count: int, weights: Path | None, device: torch.device
) -> Sets:
    """Return both sets of images and the extractor of a group of scores, loaded from the recorded weights."""
    name = extractor_name(choices)
    extractor = load_extractor(name, weights=weights, device=str(device), choices=extractor_choices(choices))
    if extractor.sha256 != choices["sha256"]:
        raise DataError(f"{name} has other weights here than the record's: name their file with --weights")
    file = weights
    if file is None and name.startswith("inception"):
        file = manifest.find("inception").path
    return Sets(written.samples(count), written.reference(), extractor, choices, file)


def _check(score: RecordedScore, package: str, features: str, answer: float | str, tolerance: float) -> Check:
    if isinstance(answer, str):
        return Check(score.name, package, "", score.value, None, None, tolerance, answer)
    size = max(abs(answer), FLOORS.get(score.metric, np.finfo(np.float64).tiny))
    return Check(score.name, package, features, score.value, answer, float(abs(score.value - answer) / size), tolerance)


def _tolerance(score: RecordedScore, sets: Sets) -> float:
    if score.metric in ("precision", "recall"):
        counted = sets.samples if score.metric == "precision" else sets.reference
        return max(TOLERANCES[score.metric], BORDERLINE / len(counted) / max(score.value, 1 / len(counted)))
    singular = sets.extractor.dim >= min(len(sets.samples), len(sets.reference))
    return SINGULAR if singular and score.metric in ("fid", "mifid") else TOLERANCES[score.metric]


def _reconstructions(subject: _Subject, scores: Sequence[RecordedScore]) -> list[Check]:
    """Compare scores of reconstructions: of the test images, all at once."""
    if not scores or subject.model is None:
        return []
    reconstruct: Any = getattr(subject.model, "reconstruct")  # noqa: B009 - offered by some models
    originals, made = [], []
    with torch.no_grad():
        for images in subject.dataset.test.chunks(CHUNK):
            originals.append(images)
            made.append(reconstruct(images.to(subject.device)).float().cpu())
    both = torch.cat(originals), torch.cat(made)
    return [
        _check(score, "torchmetrics", "", other_packages.reconstruction(score, *both), TOLERANCES[score.metric])
        for score in scores
    ]


def _record_path(target: Path, runs: Path) -> Path:
    """Return a record's file: the target itself, or the newest of a run."""
    if target.is_file():
        return target
    run = find_run(runs, str(target))
    records = sorted((run.path / "records").glob("*.json"))
    if not records:
        raise MissingError(f"run {run.path} has no record yet: genkit eval --run {run.path}")
    return records[-1]


def _chosen(record: Record, metrics: Sequence[str] | None) -> list[RecordedScore]:
    """Return the scores to verify, all or those of the metrics named; raises UnknownName for one not recorded."""
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
