"""Features of a set of images: one pass for all extractors, cached on disk."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_from_bytes
from safetensors.numpy import save as arrays_to_bytes
from torch import Tensor

from genkit.errors import DataError, UsageError
from genkit.features.extractor import Extractor
from genkit.features.foreign import BrokenExtractor, plain_choices, rows
from genkit.features.spool import Spool
from genkit.files.folders import cache_dir
from genkit.files.guard import guarded, sentence
from genkit.files.integrity import Damaged, check_sealed, sealed_bytes, sealing_metadata
from genkit.files.reading import entire, read_file
from genkit.files.text import logger
from genkit.files.writing import write_atomic
from genkit.registry.provenance import Code, code_of_object

_LOG = logger(__name__)

VERSION = 2
"""Version of the cache's content."""

Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]
"""Called with the name of the current step, how many items are done, and how many there are."""


def quiet(what: str, done: int, total: int) -> None:
    """Show no progress."""


class Samples(Protocol):
    """A fixed number of images in chunks of a fixed size; only the last chunk may be smaller."""

    count: int
    chunk: int
    seed: int

    def chunks(self, start: int = 0) -> Iterator[Tensor]:
        """Yield uint8 images [n, C, H, W] from image ``start`` on, the first of a chunk."""

    def labels(self) -> NDArray[np.int64] | None:
        """Return the labels of all images in order, or None."""

    def subset(self, count: int) -> slice | NDArray[np.int64]:
        """Return which images represent the whole set if only ``count`` are wanted."""

    def identity(self) -> dict[str, Any]:
        """Return what determines the images, as plain JSON: equal if and only if the images are."""


class FeatureCache:
    """Features of a set of images, extracted on first use; optionally the images themselves.

    ``kept_as`` is "reference", which stays in the cache, or "samples", which is removed once the record is written. The
    key is the content of the images and, for features, the extractor's name, the hash of its weights, preprocessing,
    layer, precision and, of a plugin's extractor, its code; never the name of a folder. What code that can't be read
    computes is in a temporary folder. An interrupted pass resumes at the last synced chunk.
    """

    def __init__(
        self,
        samples: Samples,
        extractors: Sequence[Extractor],
        kept_as: str,
        progress: Progress = quiet,
        *,
        images: bool = False,
    ) -> None:
        self.samples = samples
        self.extractors = list(extractors)
        self.kept_as = kept_as
        self.progress = progress
        self.keeps_images = images
        self._spools: dict[str, Spool] = {}
        self._computed: dict[tuple[str, str], Arrays] = {}
        self._broken: dict[str, BaseException] = {}
        """Why an extractor has no features, by name; the others keep theirs."""

    @property
    def extracted(self) -> bool:
        """Whether the pass over the images has been made."""
        return bool(self._spools)

    def extract(self) -> None:
        """Make the pass over the images, except for what is cached; later calls do nothing."""
        if self.extracted:
            return
        made_of = self.samples.identity()
        spools = {
            extractor.name: self._open_spool(made_of, identity(extractor), code_of_extractor(extractor))
            for extractor in self.extractors
        }
        if self.keeps_images:
            spools[""] = self._open_spool(made_of, {}, None)
        try:
            self._pass(spools)
        except BaseException:
            for spool in spools.values():
                spool.close()
            raise
        for name in self._broken:
            spools[name].close()
        self._spools = spools

    def features(self, extractor: str) -> NDArray[np.floating[Any]]:
        """Return the features of all images by one extractor, [n, d], memory-mapped."""
        return self._spool(extractor).arrays()["features"]

    def logits(self, extractor: str) -> NDArray[np.floating[Any]] | None:
        """Return the logits of all images by one extractor, [n, k], memory-mapped, or None if it has none."""
        return self._spool(extractor).arrays().get("logits")

    def images(self) -> NDArray[np.uint8]:
        """Return the images, uint8 [n, C, H, W], memory-mapped."""
        return self._spool("").arrays()["images"]

    def labels(self) -> NDArray[np.int64] | None:
        """Return the labels of the images, [n], or None."""
        return self.samples.labels()

    def cached_arrays(self, extractor: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return arrays that depend on the features of one extractor alone, computed once and kept with them."""
        key = extractor, name
        if key not in self._computed:
            path = self._spool(extractor).folder / f"{name}.safetensors"
            try:
                data = read_file(path, entire())
                check_sealed(data)
                self._computed[key] = arrays_from_bytes(data)
            except FileNotFoundError:
                pass
            except (OSError, SafetensorError, Damaged) as error:
                _LOG.warning("%s in the cache is damaged (%s): it is computed again", path, sentence(error))
            if key not in self._computed:
                self._computed[key] = {name: np.asarray(array, order="C") for name, array in compute().items()}
                with contextlib.suppress(OSError):
                    whole = arrays_to_bytes(dict(self._computed[key]), metadata=sealing_metadata({}))
                    write_atomic(path, sealed_bytes(whole))
        return self._computed[key]

    def close(self, *, remove: bool = False) -> None:
        """Close the files; ``remove`` deletes them from the cache."""
        for spool in self._spools.values():
            spool.close(remove=remove)

    def _spool(self, name: str) -> Spool:
        self.extract()
        if error := self._broken.get(name):
            named = isinstance(error, BrokenExtractor | DataError | UsageError)
            raise error if named else BrokenExtractor(f"{name} failed: {sentence(error)}")
        return self._spools[name]

    def _pass(self, spools: Mapping[str, Spool]) -> None:
        for spool in spools.values():
            if not spool.complete and spool.done % self.samples.chunk:
                spool.restart()
        missing = [extractor for extractor in self.extractors if not spools[extractor.name].complete]
        start = min(spool.done for spool in spools.values())
        widths: dict[str, dict[str, int]] = {}
        for images in self.samples.chunks(start) if start < self.samples.count else ():
            for place, extractor in enumerate(missing):
                if spools[extractor.name].done != start or extractor.name in self._broken:
                    continue
                before = start + place * len(images) / len(missing)
                tick = functools.partial(self._tell, before, len(missing))
                with guarded(functools.partial(self._broken.setdefault, extractor.name)):
                    found = rows(extractor, images, tick, widths.setdefault(extractor.name, {}))
                if extractor.name not in self._broken:
                    spools[extractor.name].append(found)
            if not self.keeps_images and all(extractor.name in self._broken for extractor in missing):
                return
            if self.keeps_images and spools[""].done == start:
                spools[""].append({"images": images.cpu().numpy()})
            start += len(images)
            self.progress(self.kept_as, start, self.samples.count)

    def _tell(self, before: float, extractors: int, done: int) -> None:
        """Report progress of one of several extractors, as its share of the images done."""
        self.progress(self.kept_as, int(before + done / extractors), self.samples.count)

    def _open_spool(self, made_of: Mapping[str, Any], extractor: Mapping[str, Any], code: Code | None) -> Spool:
        if code is not None and not code.readable:
            return Spool.temporary(self.samples.count)
        made_by = extractor if code is None else {**extractor, "dist": code.dist, "version": code.version}
        text = json.dumps([VERSION, made_of, made_by], sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Spool.at(cache_dir().absolute() / "seen" / self.kept_as / name, self.samples.count)


def identity(extractor: Extractor) -> dict[str, str]:
    """Return everything that determines an extractor's features, as plain JSON: of a plugin's also its source."""
    code = code_of_extractor(extractor)
    source = {} if code is None else {"source_sha256": code.source}
    return {"extractor": extractor.name, "sha256": extractor.sha256, **plain_choices(extractor), **source}


def code_of_extractor(extractor: Extractor) -> Code | None:
    """Return the code of a plugin's extractor, or None for one of genkit's own."""
    loaded: Code | None = getattr(extractor, "code", None)
    return loaded or code_of_object(extractor)
