"""Rows that occur several times: a set that was repeated to look larger holds no more than its different rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics import jackknife


@dataclass(frozen=True)
class Repeats:
    """Which rows are equal: ``kinds`` [n] numbers the different rows in the order in which they first occur.

    A set is taken to be ``repeated`` if all of its rows, of more than one kind, occur equally often up to once more,
    and at least twice. Independent draws from a few kinds, such as those of a collapsed model, don't look like that.
    """

    kinds: NDArray[np.intp]
    different: int
    repeated: bool

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Repeats:
        """Compare rows [n, d] by 128 bits of their hashes; no copy of the rows is made: 64 bytes of memory a row."""
        digests = np.empty((len(rows), 2), np.uint64)
        for number, row in enumerate(rows):
            plain = (row + 0).tobytes()  # + 0: of -0.0 and 0.0 one
            digests[number] = np.frombuffer(hashlib.sha256(plain).digest()[:16], np.uint64)
        order = np.lexsort(digests.T)  # equal ones stay in their order
        digests = digests[order]
        new = np.ones(len(rows), bool)
        new[1:] = (digests[1:] != digests[:-1]).any(axis=1)
        numbers = np.empty(int(new.sum()), np.intp)
        numbers[np.argsort(order[new])] = np.arange(len(numbers))
        kinds = np.empty(len(rows), np.intp)
        kinds[order] = numbers[np.cumsum(new) - 1]
        times = np.bincount(kinds)
        repeated = bool(len(times) > 1 and times.min() >= 2 and times.max() - times.min() <= 1)
        return cls(kinds, len(times), repeated)

    @property
    def independent(self) -> int:
        """How many rows count: the different ones of a repeated set, else all."""
        return self.different if self.repeated else len(self.kinds)

    def of_rows(self, rows: NDArray[np.intp] | slice) -> Repeats:
        """Return which of some of the rows are equal; of a repeated set they are taken to be repeated too."""
        there, kinds = np.unique(self.kinds[rows], return_inverse=True)
        return Repeats(kinds, len(there), self.repeated)

    def blocks(self, count: int) -> NDArray[np.intp]:
        """Return the jackknife's block of each row, [n]; copies within a repeated set share theirs."""
        blocks = jackknife.block_of(self.independent, count)
        return blocks[self.kinds] if self.repeated else blocks

    def note(self, what: str) -> str:
        """Say how many rows are different, or return an empty string if all are."""
        n = len(self.kinds)
        return f"{what}: {self.different:,} different of {n:,} rows" if self.different < n else ""


def counted_once(**sets: Repeats) -> str:
    """Say which sets, by name, are repeated: intervals count their different rows only. Else an empty string."""
    return "; ".join(repeats.note(what) for what, repeats in sets.items() if repeats.repeated)
