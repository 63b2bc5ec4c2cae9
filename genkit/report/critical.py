"""The critical-difference diagram (Demsar 2006): average ranks on an axis, bars join models that do not differ."""

from __future__ import annotations

from dataclasses import dataclass

from genkit.ranking.across import Across

WIDTH, LEFT, RIGHT = 360, 112, 248
"""Width of the drawing and the ends of its axis, small enough to be read on a phone at one pixel per unit."""
TOP, STEP, BAR, LETTERS = 44, 20, 7, 15


@dataclass(frozen=True)
class Stem:
    """A model's line, from the axis at ``x`` down to ``y`` and out to the name; ``label`` is the name shortened."""

    x: float
    y: float
    side: str
    name: str
    label: str


@dataclass(frozen=True)
class Diagram:
    """Coordinates of an SVG. ``span`` is the critical difference, cut at the end of the axis if ``beyond`` it."""

    width: int
    height: int
    top: int
    left: int
    right: int
    ticks: tuple[tuple[float, int], ...]
    span: float
    beyond: bool
    stems: tuple[Stem, ...]
    bars: tuple[tuple[float, float, float], ...]
    """Start, end and height of each bar."""


def diagram(across: Across) -> Diagram:
    """Lay out the diagram, with the better half of the models on the left."""
    count = len(across.models)

    def place(rank: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (rank - 1) / (count - 1), 1)

    below = TOP + BAR * (len(across.groups) + 1)
    half = (count + 1) // 2
    stems = []
    for order, (name, rank) in enumerate(zip(across.models, across.average, strict=True)):
        depth = order if order < half else count - 1 - order
        label = f"{name if len(name) <= LETTERS else name[: LETTERS - 1] + '…'}"
        stems.append(Stem(place(rank), below + STEP * (depth + 0.5), "left" if order < half else "right", name, label))
    bars = tuple(
        (place(across.average[first]) - 3, place(across.average[last]) + 3, float(TOP + BAR * (level + 1)))
        for level, (first, last) in enumerate(across.groups)
    )
    end = place(1 + across.critical_difference)
    every = max(1, -(-count // 10))
    return Diagram(
        width=WIDTH,
        height=below + STEP * half + 6,
        top=TOP,
        left=LEFT,
        right=RIGHT,
        ticks=tuple((place(rank), rank) for rank in range(1, count + 1, every)),
        span=min(end, float(RIGHT)) - LEFT,
        beyond=end > RIGHT,
        stems=tuple(stems),
        bars=bars,
    )
