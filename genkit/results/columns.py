"""What a record's scores are called and how they were measured, shared by all records that have the same."""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Columns:
    """The scores of a record without their numbers. ``columns_of`` makes one object for all that are equal."""

    scores: tuple[tuple[str, str, bool, bool], ...]
    """Of each score its name, fingerprint, whether it is rankable, and whether code of a plugin measured it."""

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """The place of the first score of each name."""
        return {name: place for place, (name, *_) in reversed(list(enumerate(self.scores)))}

    @functools.cached_property
    def protocols(self) -> dict[tuple[str, str], int]:
        """The place of the first score of each name and fingerprint, in the scores' order."""
        found: dict[tuple[str, str], int] = {}
        for place, (name, fingerprint, *_) in enumerate(self.scores):
            found.setdefault((name, fingerprint), place)
        return found


columns_of = functools.lru_cache(maxsize=1 << 16)(Columns)
"""Returns the Columns of a tuple of scores."""
