"""What subjects are compared with: features of real images, and what is computed of those alone."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_from_bytes
from safetensors.numpy import save as arrays_to_bytes

from genkit.evaluation.extraction import Seen
from genkit.evaluation.samples import Progress, SplitSamples
from genkit.features.extractor import Extractor
from genkit.metrics.evidence import Features
from genkit.paths import write_atomic

Arrays = Mapping[str, NDArray[Any]]


class Reference:
    """The reference images of an evaluator: a second subject, today or next week, pays nothing for them."""

    def __init__(self, samples: SplitSamples, extractors: Sequence[Extractor], progress: Progress) -> None:
        self.samples = samples
        self.progress = progress
        self._seen = Seen(samples, extractors, "reference")
        self._kept: dict[tuple[str, str], Arrays] = {}

    @functools.cached_property
    def seen(self) -> Seen:
        """The pass over the reference images, or what the cache has of it."""
        self._seen.gather("reference", self.progress)
        return self._seen

    def features(self, extractor: str) -> Features:
        """Return the features of all reference images."""
        return self.seen.features(extractor)

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The labels of the reference images."""
        return self.samples.labels()

    def remembered(self, extractor: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return arrays that depend on the reference's features alone, computed once per content."""
        key = extractor, name
        if key not in self._kept:
            path = self.seen.remembered(extractor, name)
            with contextlib.suppress(OSError, SafetensorError):
                self._kept[key] = arrays_from_bytes(path.read_bytes())
            if key not in self._kept:
                self._kept[key] = {name: np.asarray(array, order="C") for name, array in compute().items()}
                with contextlib.suppress(OSError):
                    write_atomic(path, arrays_to_bytes(dict(self._kept[key])))
        return self._kept[key]
