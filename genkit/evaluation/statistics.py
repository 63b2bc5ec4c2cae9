"""Means and covariances of features in .npz files, as pytorch-fid, EDM, clean-fid and guided-diffusion write them."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.npy import read_array, read_header
from genkit.data.npz_names import STATISTICS
from genkit.errors import DataError, UsageError
from genkit.evaluation.evaluator import Evaluator, PlannedScore
from genkit.evaluation.scoring import score
from genkit.features.extractor import Extractor
from genkit.features.given import content_hash, refuse_pickle
from genkit.files.reading import Zip, entire
from genkit.files.text import logger
from genkit.files.writing import write_atomic
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.frechet import FeatureStatistics
from genkit.results.records import RecordedScore

_LOG = logger(__name__)

INCEPTION_WIDTH = 2048
_SAVE = "save it with numpy.savez(FILE, mu=mu, sigma=sigma)"
_OTHER_NAMES = {"mean", "cov", "covariance", "m", "s", "means", "sigmas"}
"""What other files call mean and covariance."""


@dataclass(frozen=True)
class Statistics:
    """The statistics of a file or of the caller; ``with_images`` says whether the file also holds images."""

    name: str
    gaussian: FeatureStatistics
    with_images: bool = False
    unused: tuple[str, ...] = ()
    """Other statistics in the file."""

    @functools.cached_property
    def sha256(self) -> str:
        """The hash of mean and covariance."""
        return content_hash(self.gaussian.mean, self.gaussian.cov)

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.gaussian.mean)

    def check_width(self, extractor: str, width: int) -> None:
        """Raise UsageError if an extractor has another number of features."""
        if width != self.width:
            hint = ": those of 2048 features are inception's" if self.width == INCEPTION_WIDTH else ""
            raise UsageError(
                f"{self.name} has statistics of {self.width} features and {extractor} makes {width}{hint}; choose the "
                "extractor that made them with --features"
            )

    def say_how_read(self, extractor: str) -> None:
        """Log one line: statistics do not record their extractor."""
        rest = f"; not used: {', '.join(self.unused)}" if self.unused else ""
        what = "fid is measured from its mu and sigma, the rest from its images" if self.with_images else "statistics"
        _LOG.warning("%s: %s, taken as those of %s, as files do not say%s", self.name, what, extractor, rest)


def read_statistics(reference: Path | str) -> Statistics | None:
    """Return the statistics in an .npz file, [d] and [d, d] under mu and sigma, or None for anything else.

    Raises DataError for statistics that are incomplete, damaged or of wrong shapes, and for pickles.
    """
    path = Path(os.path.expanduser(str(reference).removeprefix("npz:")))
    if path.is_file():
        refuse_pickle(path)
    if path.suffix.lower() != ".npz" or not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with Zip(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist()]
            others = {name.lower(): name for name in names}
            pair = {name: others.pop(name) for name in ("mu", "sigma") if name in others}
            if not pair and not others.keys() & _OTHER_NAMES:
                return None
            images = any(len(_shape(file, name)) > 2 for name in others.values() if name.lower() not in STATISTICS)
            if not pair or (len(pair) == 1 and images):
                if not images:
                    raise DataError(f"{path} has {_listed(others)}: name statistics mu and sigma")
                return None
            if len(pair) == 1:
                raise DataError(f"{path} has {_listed(names)}: statistics are mu and sigma, so save both")
            mean, cov = (_real(_array(file, name), f"{path}: {name}") for name in pair.values())
    except DataError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} can't be read ({cause}): {_SAVE}") from error
    mean = mean.reshape(-1) if mean.size == max(mean.shape, default=1) else mean
    while cov.ndim > 2 and len(cov) == 1:
        cov = cov[0]
    cov = cov.reshape(1, 1) if cov.size == 1 else cov  # as numpy.cov has it of a single feature
    unused = tuple(sorted(name for name in others.values() if name.lower() in STATISTICS or not images))
    try:
        return Statistics(str(path), FeatureStatistics(mean, cov), images, unused)
    except (DataError, UsageError) as error:
        raise DataError(f"{path}: {error}") from error


def _shape(file: Zip, name: str) -> tuple[int, ...]:
    """Return the shape of an array in an .npz file, without reading it."""
    with file.stream(f"{name}.npy") as member:
        return read_header(member)[0]


def _array(file: Zip, name: str) -> NDArray[Any]:
    with file.stream(f"{name}.npy") as member:
        return read_array(member, entire() // 4)  # copies of it are worked with


def _real(array: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Return real numbers as float64; complex ones without an imaginary part are real."""
    if array.dtype.kind == "c" and not array.imag.any():
        array = array.real
    if array.dtype.kind not in "fiu":
        raise DataError(f"{what} must hold real numbers, not {array.dtype}: {_SAVE}")
    return np.asarray(array, np.float64)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def save_statistics(path: Path | str, gaussian: FeatureStatistics) -> None:
    """Write mean and covariance as mu and sigma of an .npz file, atomically; raises UsageError, DataError."""
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise UsageError(f"statistics are written to an .npz file: name it {path.name}.npz")
    buffer = io.BytesIO()
    np.savez(buffer, mu=gaussian.mean, sigma=gaussian.cov)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror or error}") from error


def save_reference_statistics(path: Path | str, evaluator: Evaluator) -> None:
    """Write the statistics of an evaluator's reference images, with the protocol's ddof; raises UsageError, DataError.

    They are those of its only extractor.
    """
    if len(evaluator.extractors) != 1:
        raise UsageError("statistics are saved of one extractor: name one, and a metric that uses it")
    features = evaluator.reference.features(evaluator.extractors[0].name)
    save_statistics(path, FeatureStatistics.fit(features, ddof=covariance_ddof(evaluator)))


def covariance_ddof(evaluator: Evaluator) -> int:
    """Return what the covariances of a protocol leave out of the divisor: 1, or 0 as stylegan3 does."""
    from genkit.registry.discovery import registry
    from genkit.registry.specs import MetricSpec

    return int(evaluator.parameters(registry().find(MetricSpec, "fid").spec)["ddof"])


class StatisticsEvaluator(Evaluator):
    """Measures against a set of images whose file also has statistics: fid by inception is measured from these."""

    def __init__(self, statistics: Statistics, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.statistics = statistics
        if not any(map(self._described, self.extractors)):
            _LOG.warning("%s: its mu and sigma are not used, as inception is not measured by", statistics.name)
            return
        statistics.check_width("inception", next(each.dim for each in self.extractors if self._described(each)))
        statistics.say_how_read("inception")

    def _described(self, extractor: Extractor | None) -> bool:
        return extractor is not None and extractor.name.partition("-")[0] == "inception"

    def _score(self, planned: PlannedScore, evidence: Evidence) -> RecordedScore:
        spec, name, extractor, size = planned
        if spec.name != "fid" or not self._described(extractor):
            return super()._score(planned, evidence)
        protocol = self.protocol(size, None, extractor)
        described = {**protocol.data, "reference": "statistics", "sha256": self.statistics.sha256}
        drawn = evidence.of(spec.name, extractor, size)
        arrays = Evidence.of_arrays(
            real_features=self.statistics.gaussian,
            generated_features=drawn.generated_features,
            parameters=self.parameters(spec),
        )
        return score(spec, name, arrays, dataclasses.replace(protocol, data=described))
