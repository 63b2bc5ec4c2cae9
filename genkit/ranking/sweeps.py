"""Sweeps: a run's scores at several values of its options of drawing, as curves of one score against another."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genkit.options import LATER
from genkit.ranking.board import COSTS
from genkit.ranking.rows import entries, entry_of, weights_key
from genkit.results.records import Record, RecordedScore

PAIRS = (("fid", "prompt_accuracy"), ("fid", "class_accuracy"), ("recall", "precision"))
"""The metrics of the horizontal and the vertical axis; the first two that were measured if no pair was."""


@dataclass(frozen=True, eq=False)
class Point:
    """The scores of one set of weights at some values of its options of drawing; ``own``: those of its run."""

    values: dict[str, Any]
    own: bool
    records: tuple[Record, ...]
    scores: dict[str, RecordedScore]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Two or more points of the same weights and protocol, in the order of the values of ``options``, which differ.

    ``entry`` is the key of the board's row.
    """

    entry: str
    label: str
    run: str
    seed: int
    options: tuple[str, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a sweep in the order of one option's values; ``held`` are the values of the other swept options."""

    sweep: Sweep
    option: str
    held: dict[str, Any]
    points: tuple[Point, ...]

    def texts(self) -> list[str]:
        """Return a text for each point: the option's value, and its name at the first."""
        first, *more = (value_text(point.values[self.option]) for point in self.points)
        return [f"{self.option} {first}", *more]


@dataclass(frozen=True, eq=False)
class SweepPlot:
    """Curves of one score against another: ``x`` and ``y`` are their columns, all of one protocol."""

    x: str
    y: str
    curves: tuple[Curve, ...]

    @property
    def axes(self) -> tuple[RecordedScore, RecordedScore]:
        """A score of each axis, for its direction and unit."""
        scores = self.curves[0].points[0].scores
        return scores[self.x], scores[self.y]


def sweeps(records: Sequence[Record]) -> list[Sweep]:
    """Return what was swept among records of one data set."""
    moved = {record.training.run for record in records if record.training and not record.at_own_point}
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.place):
        if record.training and record.training.run in moved:
            images = repr([record.protocol.get(part) for part in ("data", "samples")])
            groups[weights_key(_as_ranked(record)), images].append(record)
    swept = [group for group in groups.values() if len({_place(record) for record in group}) > 1]
    named = entries([_as_ranked(group[0]) for group in swept])
    labels = {entry_of(each): label for label, group in named.items() for each in group}
    return [_sweep(group, labels) for group in swept]


def sweep_plots(found: Sequence[Sweep]) -> list[SweepPlot]:
    """Return the plots of sweeps: one for each pair of scores that are comparable, those of most points first."""
    curves: dict[tuple[str, str, str, str], list[Curve]] = defaultdict(list)
    for sweep in found:
        for x, y in _pairs(sweep):
            both = [point for point in sweep.points if x in point.scores and y in point.scores]
            if len(both) > 1:
                ends = both[0].scores
                curves[x, y, ends[x].fingerprint, ends[y].fingerprint] += _curves(sweep, both)
    drawn = [SweepPlot(x, y, tuple(each)) for (x, y, _, _), each in curves.items()]
    return sorted(drawn, key=lambda plot: -sum(len(curve.points) for curve in plot.curves))


def plotted(drawn: Sequence[SweepPlot]) -> list[Point]:
    """Return the points on the plots that no board ranks, each once."""
    points = {id(point): point for plot in drawn for curve in plot.curves for point in curve.points}
    return [point for point in points.values() if not point.own]


def value_text(value: Any) -> str:
    """Write the value of an option."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _as_ranked(record: Record) -> Record:
    """The record as if it had been drawn with its run's own options."""
    assert record.training is not None
    return dataclasses.replace(record, subject=dataclasses.replace(record.subject, sampling=record.training.sampling))


def _place(record: Record) -> str:
    return repr(sorted(record.subject.sampling.items()))


def _sweep(records: Sequence[Record], labels: dict[str, str]) -> Sweep:
    newest, training = _as_ranked(records[-1]), records[-1].training
    assert training is not None
    points: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        points[_place(record)].append(record)
    protocols = _protocols(records)
    names = dict.fromkeys(name for record in records for name in record.subject.sampling)
    drawn = []
    for group in points.values():
        used = group[0].subject.sampling
        scores = {s.name: s for record in group for s in record.scores if protocols.get(s.name) == s.fingerprint}
        values = {name: used.get(name, LATER.get(name)) for name in names}
        drawn.append(Point(values, group[0].at_own_point, tuple(group), scores))
    options = tuple(name for name in names if len({repr(point.values[name]) for point in drawn}) > 1)
    drawn.sort(key=lambda point: [_order(point.values[name]) for name in options])
    entry = entry_of(newest)
    return Sweep(entry, labels[entry], training.run, training.seed, options, tuple(drawn))


def _protocols(records: Sequence[Record]) -> dict[str, str]:
    """The fingerprint of each score: that of most points, then the newest; those that can't be ranked have none."""
    places: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    newest: dict[str, str] = {}
    for record in records:
        own = {score.name for score in record.scores}
        for score in record.scores:
            plain, _, further = score.name.partition("@")  # one at the test set's size beside the record's own
            if score.rankable and not (further and plain in own):
                places[score.name][score.fingerprint].add(_place(record))
                newest[score.fingerprint] = record.place
    return {
        name: max(known, key=lambda key, known=known: (len(known[key]), newest[key]))  # type: ignore[misc]
        for name, known in places.items()
    }


def _pairs(sweep: Sweep) -> list[tuple[str, str]]:
    """The columns to plot against each other, of each metric that of the first extractor."""
    points = Counter(name for point in sweep.points for name in point.scores)
    first: dict[str, str] = {}
    for name, score in ((name, score) for point in sweep.points for name, score in point.scores.items()):
        if points[name] > 1:
            first.setdefault(score.metric, name)
    wanted = [(first[x], first[y]) for x, y in PAIRS if x in first and y in first]
    measured = sorted(first, key=lambda metric: metric in COSTS)[:2]
    return wanted or ([(first[measured[0]], first[measured[1]])] if len(measured) == 2 else [])


def _curves(sweep: Sweep, points: Sequence[Point]) -> list[Curve]:
    """Join points that differ in one option; of several ways, those that join most points, until all are on a curve."""
    joined = []
    for option in sweep.options:
        others = [name for name in sweep.options if name != option]
        groups: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            groups[repr([point.values[name] for name in others])].append(point)
        for group in groups.values():
            held = {name: group[0].values[name] for name in others}
            joined.append(Curve(sweep, option, held, tuple(group)))
    kept: list[Curve] = []
    seen: set[int] = set()
    for curve in sorted(joined, key=lambda curve: -len(curve.points)):
        here = {id(point) for point in curve.points}
        if here - seen:
            kept.append(curve)
            seen |= here
    return kept


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, value if number else 0.0, str(value)
