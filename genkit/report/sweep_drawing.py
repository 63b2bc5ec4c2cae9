"""A sweep on a run's page: a table of the points, and the coordinates of SVGs that need no script."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from genkit.ranking.sweeps import Curve, Sweep, SweepPlot, sweep_plots, value_text
from genkit.report.scale import Scale
from genkit.report.text import interval, number, sweep_rows
from genkit.results.records import RecordedScore

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 310, 58, 410, 12, 262
"""Size of a drawing and the ends of its axes."""
MARGIN = 0.08
"""Room between the outermost intervals and the ends of an axis."""
LETTER, LINE = 6.2, 12
"""Width and height of a letter, about."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Mark:
    """A point with the ends of its intervals; ``about`` is its tooltip."""

    x: float
    y: float
    left: float
    right: float
    high: float
    low: float
    own: bool
    about: str


@dataclass(frozen=True)
class Text:
    """A text that starts, is centred or ends at ``x``."""

    x: float
    y: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Line:
    """One curve. ``held`` are the values of other options along it, empty for a curve alone."""

    held: str
    path: str
    marks: tuple[Mark, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Drawing:
    """Coordinates of an SVG. Ticks are positions and texts."""

    titles: tuple[str, str]
    across: tuple[tuple[float, str], ...]
    upward: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Shown:
    """A sweep as a run's page shows it. ``count``: the samples of each point, if known.

    ``names`` are the table's scores; its ``rows`` have a cell for each value and one for its interval.
    """

    count: int | None
    options: tuple[str, ...]
    drawings: tuple[Drawing, ...]
    names: list[str]
    rows: list[list[str]]


def shown(sweep: Sweep) -> Shown:
    """Lay out a sweep."""
    points = [dataclasses.replace(point.records[-1], scores=tuple(point.scores.values())) for point in sweep.points]
    header, *rows = sweep_rows(points, sweep.options)
    names = header[1 + len(sweep.options) :: 2]
    count = points[0].protocol.get("samples", {}).get("count")
    return Shown(count, sweep.options, tuple(map(drawing, sweep_plots([sweep]))), names, rows)


def drawing(plot: SweepPlot) -> Drawing:
    """Lay out one plot."""
    axes = []
    for name, start, end in ((plot.x, LEFT, RIGHT), (plot.y, BOTTOM, TOP)):
        scores = [point.scores[name] for curve in plot.curves for point in curve.points]
        axes.append(Axis.of([end for s in scores for end in (s.ci_low, s.value, s.ci_high)], start, end))
    marks = [[_mark(curve, place, plot, *axes) for place in range(len(curve.points))] for curve in plot.curves]
    labels = [text for curve in plot.curves for text in curve.texts()]
    placed = iter(_texts([mark for line in marks for mark in line], _segments(marks), labels))
    lines = []
    for curve, line in zip(plot.curves, marks, strict=True):
        texts = tuple(text for text in (next(placed) for _ in line) if text)
        lines.append(Line(_held(curve, plot), " ".join(f"{mark.x},{mark.y}" for mark in line), tuple(line), texts))
    across, upward = plot.axes
    return Drawing((_title(across), _title(upward)), axes[0].ticks(), axes[1].ticks(), tuple(lines))


@dataclass(frozen=True)
class Axis:
    """Maps values to positions between ``start`` and ``end``."""

    scale: Scale
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> Axis:
        """Return an axis that shows all values."""
        scale = Scale.of(values)
        if scale.low == scale.high:
            half = abs(scale.low) / 2 or 0.5
            scale = Scale(scale.low - half, scale.high + half, False)
        return cls(scale, start, end)

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        share = MARGIN + (1 - 2 * MARGIN) * self.scale.place(value)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Return positions and texts of round values."""
        low, high = self.scale.low, self.scale.high
        if self.scale.logarithmic:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            digits = (1, 2, 5) if len(decades) < 5 else (1,)
            values = [digit * 10.0**decade for decade in decades for digit in digits]
        else:
            rough = (high - low) / 4
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
            values = [step * count for count in range(math.floor(low / step), math.ceil(high / step) + 1)]
        first, last = sorted((self.start, self.end))
        return tuple((place, f"{value:.6g}") for value in values if first <= (place := self(value)) <= last)


def _title(score: RecordedScore) -> str:
    return f"{score.name}, {score.direction} is better"


def _held(curve: Curve, plot: SweepPlot) -> str:
    held = (f"{name} {value_text(value)}" for name, value in curve.held.items())
    return ", ".join(held) if len(plot.curves) > 1 else ""


def _mark(curve: Curve, place: int, plot: SweepPlot, across: Axis, upward: Axis) -> Mark:
    point = curve.points[place]
    x, y = point.scores[plot.x], point.scores[plot.y]
    drawn = ", ".join(f"{name}={value_text(point.values[name])}" for name in curve.sweep.options)
    said = (f"{s.name} {number(s.value)} {interval(s.ci_low, s.ci_high)}".strip() for s in (y, x))
    about = "\n".join((f"{drawn}{', the run' + chr(39) + 's own' if point.own else ''}", *said))
    ends = across(x.ci_low), across(x.ci_high), upward(y.ci_high), upward(y.ci_low)
    return Mark(across(x.value), upward(y.value), *ends, point.own, about)


def _segments(lines: Sequence[Sequence[Mark]]) -> list[Box]:
    """Small boxes along all lines and intervals, which texts keep off if there is room."""
    boxes = [(mark.left, mark.y, mark.right, mark.y) for line in lines for mark in line]
    boxes += [(mark.x, mark.high, mark.x, mark.low) for line in lines for mark in line]
    for line in lines:
        for one, other in pairwise(line):
            for part in range(41):
                x, y = (a + part / 40 * (b - a) for a, b in ((one.x, other.x), (one.y, other.y)))
                boxes.append((x, y, x, y))
    return boxes


def _texts(marks: Sequence[Mark], lines: Sequence[Box], labels: Sequence[str]) -> list[Text | None]:
    """Place texts beside their points, off points and other texts; None for one without room."""
    taken: list[Box] = [(mark.x - 4, mark.y - 4, mark.x + 4, mark.y + 4) for mark in marks]
    found: list[Text | None] = []
    for mark, label in zip(marks, labels, strict=True):
        ways = [way for way in _ways(mark, label) if _inside(way[1]) and _clear(way[1], taken)]
        best = next((way for way in ways if _clear(way[1], lines)), ways[0] if ways else None)
        found.append(best and best[0])
        taken += [best[1]] if best else []
    return found


def _ways(mark: Mark, label: str) -> list[tuple[Text, Box]]:
    """The eight places for a text around a point, corners first, each with its box."""
    long = LETTER * len(label)
    ways = []
    for side, down in ((1, -1), (1, 1), (-1, -1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1)):
        off = 7 if down == 0 or side == 0 else 5
        x, middle = mark.x + side * off, mark.y + down * (off + LINE / 2)
        left = x - long * (1 - side) / 2
        text = Text(round(x, 1), round(middle + LINE / 3, 1), {1: "start", 0: "middle", -1: "end"}[side], label)
        ways.append((text, (left, middle - LINE / 2, left + long, middle + LINE / 2)))
    return ways


def _inside(box: Box) -> bool:
    left, top, right, bottom = box
    return left >= LEFT and top >= TOP - 8 and right <= WIDTH and bottom <= BOTTOM


def _clear(box: Box, others: Sequence[Box]) -> bool:
    return all(box[2] < o[0] or box[0] > o[2] or box[3] < o[1] or box[1] > o[3] for o in others)
