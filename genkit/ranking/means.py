"""Means over training seeds, with Student's t interval, each made when it is asked for: boards show few of theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from genkit.results.intervals import t_quantile
from genkit.results.packing import over_seeds
from genkit.results.records import Record, RecordedScore

Place = tuple[Record, int]
"""A record and the place of a score in it: a board shows few of its records' scores, and makes no others."""


class Means(Mapping[str, RecordedScore]):
    """The column scores of an entry by name: those of its one seed, or their means over several."""

    def __init__(self, seeds: Sequence[Mapping[str, Place]] = ()) -> None:
        """``seeds``: where the scores of each seed are, the newest last."""
        self._seeds = seeds
        self._means: dict[str, RecordedScore] = {}

    def __getitem__(self, name: str) -> RecordedScore:
        if name not in self._means:
            scores = [record.score_at(place) for record, place in self._places(name)]
            if not scores:
                raise KeyError(name)
            self._means[name] = scores[-1]
            if len(scores) > 1:
                self._means[name] = over_seeds(scores[-1], *mean_over_seeds([score.value for score in scores]))
        return self._means[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for each in self._seeds for name in each))

    def __len__(self) -> int:
        return len(set().union(*self._seeds))

    def __contains__(self, name: object) -> bool:
        return any(name in each for each in self._seeds)

    def _places(self, name: str) -> list[Place]:
        return [each[name] for each in self._seeds if name in each]

    def newest(self, name: str) -> RecordedScore:
        """Return the score of the newest seed that has it, for what a mean has of it, as the metric."""
        record, place = self._places(name)[-1]
        return record.score_at(place)

    @property
    def records(self) -> Iterator[Record]:
        """The records that the scores are from, some often."""
        return (record for each in self._seeds for record, _ in each.values())


def mean_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The mean over seeds and the half-width of its 95 % interval (Student's t)."""
    return fmean(values), t_quantile(len(values) - 1) * deviation(values) / math.sqrt(len(values))


def deviation(values: Sequence[float]) -> float:
    """Return what ``statistics.stdev`` does, rounded once as there, in a tenth of its time: in integers.

    A square root of 55 bits or more, whose last bit says whether it is exact, rounds to a float as the true one does.
    """
    ratios = [value.as_integer_ratio() for value in values]
    scale = max(below for _, below in ratios)  # powers of two
    whole = [above * (scale // below) for above, below in ratios]
    size, total = len(whole), sum(whole)
    above, below = size * sum(each * each for each in whole) - total * total, size * (size - 1) * scale * scale
    if above == 0:
        return 0.0
    shift = (above.bit_length() - below.bit_length() - 109) // 2
    below, above = (below << 2 * shift, above) if shift >= 0 else (below, above << -2 * shift)
    root = math.isqrt(above // below)
    root |= root * root * below != above
    return float(root << shift) if shift >= 0 else root / (1 << -shift)
