"""The drawing of a sweep that needs no script."""

from __future__ import annotations

import dataclasses

import pytest
from making import point, training

from genkit.ranking.sweeps import sweep_plots, sweeps
from genkit.report import sweep_drawing
from genkit.report.sweep_drawing import BOTTOM, LEFT, RIGHT, TOP, Axis, drawing, shown


def swept(*values, **more):
    run = training()
    return [point(run, value=10.0 * place, guidance=value, **more) for place, value in enumerate(values)]


def drawn(records):
    return drawing(sweep_plots(sweeps(records))[0])


def test_points_and_their_intervals_lie_within_the_axes_in_the_right_directions():
    (line,) = drawn(swept(1.0, 1.5, 2.0)).lines
    assert [mark.own for mark in line.marks] == [True, False, False]
    assert line.path == " ".join(f"{mark.x},{mark.y}" for mark in line.marks)
    xs, ys = [mark.x for mark in line.marks], [mark.y for mark in line.marks]
    assert xs == sorted(xs) and ys == sorted(ys, reverse=True)  # an SVG counts downwards
    for mark in line.marks:
        assert LEFT < mark.left < mark.x < mark.right < RIGHT
        assert TOP < mark.high < mark.y < mark.low < BOTTOM


def test_each_point_has_its_value_and_the_first_the_options_name():
    (line,) = drawn(swept(1.0, 1.5, 2.0)).lines
    assert [text.text for text in line.texts] == ["guidance 1", "1.5", "2"]


def test_texts_of_a_crowd_overlap_neither_points_nor_one_another():
    records = swept(*(1 + number / 100 for number in range(30)))
    (line,) = drawn([*records, point(records[0].training, value=9000.0, guidance=9.0)]).lines
    letter, half = sweep_drawing.LETTER, sweep_drawing.LINE / 2
    boxes = []
    for text in line.texts:
        long = letter * len(text.text)
        left = text.x - {"start": 0, "middle": long / 2, "end": long}[text.anchor]
        boxes.append((left, text.y - half, left + long, text.y + half))
    assert 1 < len(boxes) < 31
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert all(right <= o[0] or left >= o[2] or bottom <= o[1] or top >= o[3] for o in boxes[:place])


def test_curves_of_two_options_say_what_each_holds():
    run, own = training(), {"guidance": 1.0, "top_k": 0}
    records = [point(run, own=own, guidance=g, top_k=k) for k in (0, 8) for g in (1.0, 2.0, 3.0)]
    assert [line.held for line in drawn(records).lines] == ["top_k 0", "top_k 8"]
    assert [line.held for line in drawn(swept(1.0, 2.0)).lines] == [""]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.61, 0.98), ["0.6", "0.7", "0.8", "0.9", "1"]),
        ((0.0, 1.0), ["0", "0.5", "1"]),
        ((1.0, 300.0), ["1", "2", "5", "10", "20", "50", "100", "200", "500"]),
        ((1.0, 90_000.0), ["1", "10", "100", "1000", "10000", "100000"]),
        ((5.0, 5.0), ["4", "6"]),
        ((0.0, 0.0), ["-0.5", "0", "0.5"]),
    ],
)
def test_ticks_are_round_values_within_the_axis(values, ticks):
    axis = Axis.of(values, LEFT, RIGHT)
    found = axis.ticks()
    assert [text for _, text in found] == ticks
    assert all(LEFT <= place <= RIGHT for place, _ in found)


def test_the_table_has_the_scores_of_a_point_from_all_its_records():
    run = training()
    apart = [point(run, (name,), guidance=value) for name in ("fid[a]", "kid[a]") for value in (1.0, 2.0)]
    (sweep,) = sweeps(apart)
    found = shown(sweep)
    assert found.names == ["fid[a]", "kid[a]"]
    assert [row[:3] for row in found.rows] == [["*", "1", "1"], ["", "2", "1"]]
    assert found.count == 5000
    one = dataclasses.replace(sweep.points[0].records[0], protocol={})
    assert (
        shown(dataclasses.replace(sweep, points=(dataclasses.replace(sweep.points[0], records=(one,)),))).count is None
    )
