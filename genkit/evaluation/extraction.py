"""One pass over images for all extractors: sample, quantise, extract, next chunk."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from genkit.evaluation.samples import Progress, Samples
from genkit.evaluation.spool import Spool
from genkit.features.extractor import Extractor
from genkit.metrics.evidence import Features
from genkit.paths import cache_dir

VERSION = 2
"""Of what is kept in the cache."""


class Seen:
    """What extractors see in images, and if wanted the images themselves, kept in the cache by content.

    ``kept_as`` is "reference", which stays, or "samples", which go when the record is written. The key is what the
    images are, and of features the extractor's name, the hash of its weights, its preprocessing, layer and precision;
    never a folder's name. A pass that was interrupted goes on at the chunk where it was synced.
    """

    def __init__(
        self, samples: Samples, extractors: Sequence[Extractor], kept_as: str, *, images: bool = False
    ) -> None:
        self.samples = samples
        self.kept_as = kept_as
        self.extractors = list(extractors)
        self.keeps_images = images
        self._spools: dict[str, Spool] = {}

    def gather(self, what: str, progress: Progress) -> None:
        """Make the pass, as far as it is not in the cache."""
        made_of = self.samples.identity()
        for extractor in self.extractors:
            self._spools[extractor.name] = Spool.at(self._folder(made_of, identity(extractor)), self.samples.count)
        if self.keeps_images:
            self._spools[""] = Spool.at(self._folder(made_of, {}), self.samples.count)
        for spool in self._spools.values():
            if not spool.complete and spool.done % self.samples.chunk:
                spool.restart()
        missing = [extractor for extractor in self.extractors if not self._spools[extractor.name].complete]
        start = min(spool.done for spool in self._spools.values())
        try:
            self._pass(start, missing, what, progress)
        except BaseException:
            self.close()
            raise

    def _pass(self, start: int, missing: list[Extractor], what: str, progress: Progress) -> None:
        for images in self.samples.chunks(start) if start < self.samples.count else ():
            for place, extractor in enumerate(missing):
                if self._spools[extractor.name].done == start:
                    before = start + place * len(images) / len(missing)
                    tick = functools.partial(self._tell, progress, what, before, len(missing))
                    self._spools[extractor.name].append(_rows(extractor, images, tick))
            if self.keeps_images and self._spools[""].done == start:
                self._spools[""].append({"images": images.cpu().numpy()})
            start += len(images)
            progress(what, start, self.samples.count)

    def _tell(self, progress: Progress, what: str, before: float, extractors: int, done: int) -> None:
        """Tell what one of several extractors adds to images done: its part of each."""
        progress(what, int(before + done / extractors), self.samples.count)

    def features(self, extractor: str) -> Features:
        """Return what one extractor saw."""
        arrays = self._spools[extractor].arrays()
        return Features(arrays["features"], arrays.get("logits"))

    def images(self) -> NDArray[np.uint8]:
        """Return the images, memory-mapped."""
        return self._spools[""].arrays()["images"]

    def remembered(self, extractor: str, name: str) -> Path:
        """Return where something that depends on one extractor's features alone may be kept."""
        return self._spools[extractor].folder / f"{name}.safetensors"

    def close(self, *, remove: bool = False) -> None:
        """Let go of the files; ``remove`` deletes what is in the cache."""
        for spool in self._spools.values():
            spool.close(remove=remove)

    def _folder(self, made_of: Mapping[str, Any], seen_by: Mapping[str, Any]) -> Path:
        text = json.dumps([VERSION, made_of, seen_by], sort_keys=True)
        return cache_dir().absolute() / "seen" / self.kept_as / hashlib.sha256(text.encode()).hexdigest()[:32]


def identity(extractor: Extractor) -> dict[str, str]:
    """Return all that moves an extractor's features, as plain JSON."""
    return {"extractor": extractor.name, "sha256": extractor.sha256, **extractor.choices()}


def _rows(extractor: Extractor, images: Tensor, tick: Callable[[int], None]) -> dict[str, NDArray[Any]]:
    found = extractor(images, tick)
    rows = {"features": np.asarray(found.features)}
    if found.logits is not None:
        rows["logits"] = np.asarray(found.logits)
    return rows
