"""Features of a set of images: one pass for all extractors, cached on disk."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
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
Known = Callable[[str], Iterable[Arrays] | None]
"""Returns blocks of consecutive rows that make up all rows of an extractor, by its name; None where there are none."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the current step, how many items are done, and how many there are."""


def unknown(name: str) -> None:
    """Know no rows."""


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

    ``folder`` is a folder in place of the cache's, which the caller alone uses; it must be writable.
    """

    def __init__(
        self,
        samples: Samples,
        extractors: Sequence[Extractor],
        kept_as: str,
        progress: Progress = quiet,
        *,
        images: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.samples = samples
        self.extractors = list(extractors)
        self.kept_as = kept_as
        self.progress = progress
        self.keeps_images = images
        self.folder = folder
        self._spools: dict[str, Spool] = {}
        self._computed: dict[tuple[str, str], Arrays] = {}
        self.broken: dict[str, BaseException] = {}
        """Why an extractor has no features, by name; the others keep theirs."""

    @property
    def extracted(self) -> bool:
        """Whether the pass over the images has been made."""
        return bool(self._spools)

    def extract(self, known: Known = unknown) -> None:
        """Make the pass over the images, except for what is cached or ``known``; later calls do nothing.

        What ``known`` raises is why an extractor has no features.
        """
        if self.extracted:
            return
        spools = {name: self._open(name, place) for name, place in self._places.items()}
        try:
            for name, spool in spools.items():
                if not spool.complete:
                    self._take(name, spool, known)
            self._pass(spools)
        except BaseException:
            for spool in spools.values():
                spool.close()
            raise
        for name in self.broken:
            spools[name].close()
        self._spools = spools

    def kept(self, name: str) -> Arrays | None:
        """Return the arrays of an extractor, or with "" the images, if they are all there already; no pass is made."""
        place = self._places.get(name)
        if place is None:
            return None
        with contextlib.suppress(OSError, DataError):
            spool = Spool(place, self.samples.count)
            return spool.arrays() if spool.complete else None
        return None

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
        if error := self.broken.get(name):
            named = isinstance(error, BrokenExtractor | DataError | UsageError)
            raise error if named else BrokenExtractor(f"{name} failed: {sentence(error)}")
        return self._spools[name]

    def _take(self, name: str, spool: Spool, known: Known) -> None:
        """Fill a spool with the rows that are known."""
        blocks: Iterable[Arrays] | None = None
        with guarded(functools.partial(self.broken.setdefault, name)):
            blocks = known(name)
        for place, found in enumerate(blocks or ()):
            if not place:
                spool.restart()
            spool.append(found)

    def _pass(self, spools: Mapping[str, Spool]) -> None:
        missing = [each for each in self.extractors if not spools[each.name].complete and each.name not in self.broken]
        wanted = [spools[extractor.name] for extractor in missing]
        if self.keeps_images and not spools[""].complete:
            wanted.append(spools[""])
        for spool in wanted:
            if spool.done % self.samples.chunk:
                spool.restart()
        start = min((spool.done for spool in wanted), default=self.samples.count)
        widths: dict[str, dict[str, int]] = {}
        for images in self.samples.chunks(start) if start < self.samples.count else ():
            for place, extractor in enumerate(missing):
                if spools[extractor.name].done != start or extractor.name in self.broken:
                    continue
                before = start + place * len(images) / len(missing)
                tick = functools.partial(self._tell, before, len(missing))
                with guarded(functools.partial(self.broken.setdefault, extractor.name)):
                    found = rows(extractor, images, tick, widths.setdefault(extractor.name, {}))
                if extractor.name not in self.broken:
                    spools[extractor.name].append(found)
            if not self.keeps_images and all(extractor.name in self.broken for extractor in missing):
                return
            if self.keeps_images and spools[""].done == start:
                spools[""].append({"images": images.cpu().numpy()})
            start += len(images)
            self.progress(self.kept_as, start, self.samples.count)

    def _tell(self, before: float, extractors: int, done: int) -> None:
        """Report progress of one of several extractors, as its share of the images done."""
        self.progress(self.kept_as, int(before + done / extractors), self.samples.count)

    @functools.cached_property
    def made_of(self) -> Mapping[str, Any]:
        """The identity of the images."""
        return self.samples.identity()

    @property
    def names(self) -> list[str]:
        """The names of the extractors, and "" for the images if they are kept."""
        return [*(each.name for each in self.extractors), *([""] if self.keeps_images else [])]

    @functools.cached_property
    def _places(self) -> dict[str, Path | None]:
        """The folder of the rows of each extractor, and with "" of the images; None for a temporary one."""
        places = {each.name: self._place(identity(each), code_of_extractor(each)) for each in self.extractors}
        return {**places, "": self._place({}, None)} if self.keeps_images else places

    def _place(self, extractor: Mapping[str, Any], code: Code | None) -> Path | None:
        if code is not None and not code.readable:
            return None
        made_by = extractor if code is None else {**extractor, "dist": code.dist, "version": code.version}
        text = json.dumps([VERSION, self.made_of, made_by], sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return (self.folder or cache_dir().absolute() / "seen" / self.kept_as) / name

    def _open(self, name: str, place: Path | None) -> Spool:
        if self.folder is None:
            return Spool.temporary(self.samples.count) if place is None else Spool.at(place, self.samples.count)
        if place is None:
            raise UsageError(f"the code of {name} can't be read, so nothing says that all parts have the same: use one")
        return Spool.owned(place, self.samples.count)


def identity(extractor: Extractor) -> dict[str, str]:
    """Return everything that determines an extractor's features, as plain JSON: of a plugin's also its source."""
    code = code_of_extractor(extractor)
    source = {} if code is None else {"source_sha256": code.source}
    return {"extractor": extractor.name, "sha256": extractor.sha256, **plain_choices(extractor), **source}


def code_of_extractor(extractor: Extractor) -> Code | None:
    """Return the code of a plugin's extractor, or None for one of genkit's own."""
    loaded: Code | None = getattr(extractor, "code", None)
    return loaded or code_of_object(extractor)
