"""One pass over images by several processes: each extracts its share of the chunks, and one gathers all shares."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from genkit.devices import launched
from genkit.errors import DataError, GenkitError, UsageError
from genkit.features.cache import Arrays, FeatureCache, Samples
from genkit.features.foreign import BrokenExtractor
from genkit.files.guard import sentence

Fault = tuple[str, str]
"""Why an extractor has no features: the name of the error's class, and its message."""

_FAULTS: dict[str, type[GenkitError]] = {each.__name__: each for each in (BrokenExtractor, DataError, UsageError)}


@dataclass(frozen=True)
class Part:
    """Part ``number`` of ``of``, from 1; raises UsageError for one that there is not."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise UsageError(f"there is no part {self}: give --part I/N with I from 1 to N, such as 3/8")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def named(cls, text: str) -> Part:
        """Return the part that a text such as ``3/8`` names; raises UsageError."""
        found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text, re.ASCII)
        if found is None:
            raise UsageError(f"there is no part {text!r}: give --part I/N with I from 1 to N, such as 3/8")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def launched(cls) -> Part | None:
        """Return the part of a process that torchrun launched beside others, by its rank; None for one alone.

        Raises UsageError as ``genkit.devices.launched``.
        """
        world, rank, _ = launched()
        return cls(rank + 1, world) if world > 1 else None

    @property
    def all(self) -> list[Part]:
        """All parts, in order."""
        return [Part(number, self.of) for number in range(1, self.of + 1)]


class Share:
    """The chunks of a set of images that are a part's, as Samples; ``made_of`` is the identity of the whole set.

    ``rows`` are its places among all images: as many chunks as another part has, or one more or less.
    """

    def __init__(self, whole: Samples, part: Part, made_of: Mapping[str, Any]) -> None:
        self.whole = whole
        self.made_of = made_of
        chunks = -(-whole.count // whole.chunk)
        start, stop = (chunks * each // part.of * whole.chunk for each in (part.number - 1, part.number))
        self.rows = slice(min(start, whole.count), min(stop, whole.count))
        self.count = self.rows.stop - self.rows.start
        self.chunk, self.seed = whole.chunk, whole.seed

    def chunks(self, start: int = 0) -> Iterator[Tensor]:
        """See Samples."""
        chunks = self.whole.chunks(self.rows.start + start)
        while start < self.count:
            images = next(chunks)
            start += len(images)
            yield images

    def labels(self) -> NDArray[np.int64] | None:
        """See Samples."""
        labels = self.whole.labels()
        return None if labels is None else labels[self.rows]

    def subset(self, count: int) -> slice:
        """See Samples."""
        return slice(count)

    def identity(self) -> dict[str, Any]:
        """See Samples."""
        return {**self.made_of, "rows": [self.rows.start, self.rows.stop]}


def extract_share(cache: FeatureCache, part: Part, folder: Path) -> dict[str, Fault]:
    """Extract the features of a part's share of a cache's images into ``folder``, which no other process uses.

    An interrupted pass resumes, and what the cache holds is copied. Returns why extractors have no features, by name.
    Raises DataError if the folder can't be written.
    """
    share, rows = _share(cache, part, folder)

    def known(name: str) -> list[Arrays] | None:
        whole = cache.kept(name)
        return None if whole is None else [{key: array[rows] for key, array in whole.items()}]

    share.extract(known)
    share.close()
    return {name: _fault(name, error) for name, error in share.broken.items()}


def read_share(cache: FeatureCache, part: Part, folder: Path, faults: Container[str]) -> dict[str, Arrays] | None:
    """Return the arrays of a part's share by extractor, without those with faults; None if they are not whole."""
    share, _ = _share(cache, part, folder)
    found = {name: share.kept(name) for name in share.names if name not in faults}
    whole = {name: arrays for name, arrays in found.items() if arrays is not None}
    return whole if len(whole) == len(found) else None


def gather(cache: FeatureCache, shares: Sequence[Mapping[str, Arrays]], faults: Mapping[str, Fault]) -> None:
    """Fill a cache with the arrays of all parts' shares, in order, as if it had made the pass by itself."""

    def known(name: str) -> list[Arrays]:
        if name in faults:
            kind, message = faults[name]
            raise _FAULTS.get(kind, BrokenExtractor)(message)
        blocks = [share[name] for share in shares if share[name]]  # the share of a part without a chunk has no arrays
        if len({tuple((key, rows.shape[1:]) for key, rows in sorted(each.items())) for each in blocks}) > 1:
            raise BrokenExtractor(f"{name} returns other numbers of features for other images")
        return blocks

    cache.extract(known)


def _share(cache: FeatureCache, part: Part, folder: Path) -> tuple[FeatureCache, slice]:
    """Return the cache of a part's share of another's images, and which of them these are."""
    share, extractors = Share(cache.samples, part, cache.made_of), cache.extractors
    own = FeatureCache(share, extractors, cache.kept_as, cache.progress, images=cache.keeps_images, folder=folder)
    return own, share.rows


def _fault(name: str, error: BaseException) -> Fault:
    """Return an error as FeatureCache would raise it."""
    kind = next((each for each, known in _FAULTS.items() if isinstance(error, known)), None)
    return (kind, str(error)) if kind else (BrokenExtractor.__name__, f"{name} failed: {sentence(error)}")
