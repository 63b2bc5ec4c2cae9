from __future__ import annotations

import pytest
from making import point, record, score, training

from genkit.ranking.board import rank
from genkit.ranking.sweeps import sweep_plots, sweeps
from genkit.report.pictures import Curves, EntryExhibits
from genkit.report.plots import front, plots


@pytest.mark.parametrize(
    ("cheaper", "better", "found"),
    [
        ("lower", "lower", [0, 1]),
        ("lower", "higher", [0, 2]),
        ("higher", "lower", [3, 1]),
        ("higher", "higher", [3, 2]),
    ],
)
def test_nothing_on_the_front_is_beaten_by_anything(cheaper, better, found):
    costs, values = [1.0, 2.0, 3.0, 4.0], [5.0, 2.0, 9.0, 5.0]
    assert front(costs, values, cheaper, better) == found


def test_of_equal_costs_the_better_and_of_equals_one_is_on_the_front():
    assert front([1.0, 1.0, 1.0, 2.0], [3.0, 2.0, 2.0, 2.0], "lower", "lower") == [1]


def test_costs_are_those_that_two_models_have_above_zero():
    def cost(name, value):
        return score(value, name=name, half=0, choices={})

    records = [
        record("a", score(1.0), cost("parameters", 5.0), cost("train_seconds", 0.0)),
        record("b", score(2.0), cost("parameters", 6.0), cost("train_seconds", 3.0), cost("latency", 1.0)),
        record("noise", score(9.0), cost("latency", 1.0), kind="baseline"),
    ]
    (only,) = plots(rank(records), ())["costs"]
    assert only["cost"] == "parameters"
    assert (only["costs"], only["values"], only["front"]) == ([5.0, 6.0], [1.0, 2.0], [0])


def test_a_point_of_the_front_is_unsure_where_something_cheaper_may_be_as_good():
    def priced(name, value, parameters):
        cost = score(parameters, name="parameters", half=0, choices={})
        return [record(name, score(value * (1 + seed / 100)), cost, trained=training(seed=seed)) for seed in range(3)]

    records = [*priced("a", 10.0, 1.0), *priced("b", 2.0, 5.0), *priced("c", 1.99, 9.0)]
    (only,) = plots(rank(records), ())["costs"]
    assert only["names"] == ["c", "b", "a"]
    assert only["front"] == [2, 1, 0]
    assert only["unsure"] == [0]
    assert all(low < value < high for low, value, high in zip(only["lows"], only["values"], only["highs"], strict=True))


def test_a_baseline_at_another_n_is_drawn_and_named_by_it():
    smaller = score(0.3, name="fid[digits-cnn]@360", n=360, choices={"samples.count": 360})
    records = [record("a", score(1.0)), record("real test", smaller, kind="baseline")]
    records += [record("copycat", score(0.01), kind="baseline"), record("odd", kind="baseline")]
    known = {each["name"]: each for each in plots(rank(records), ())["values"]["references"]}
    assert known["real test (floor, at n = 360)"]["value"] == 0.3
    assert [name for name, each in known.items() if each["wide"]] == ["real test (floor, at n = 360)"]
    assert len(known) == 2


def test_curves_begin_with_the_one_that_most_models_share():
    def logged(name, *curves):
        return EntryExhibits(
            name, name, 0, curves=tuple(Curves(seed, [1, 2], {key: [1, 2] for key in curves}) for seed in (0, 1))
        )

    shown = [logged("a", "critic", "generator"), logged("b", "loss"), logged("c", "loss")]
    assert plots(rank([record("a", score(1.0))]), shown)["curves"]["names"] == ["loss", "critic", "generator"]


def test_a_sweep_has_texts_intervals_and_the_name_of_its_row():
    run, wider = training(), training()
    chosen = {"guidance": 1.0, "top_k": 0}
    own, more = point(run, own=chosen, **chosen), point(run, own=chosen, guidance=1.25, top_k=0)
    other = point(wider, options={"width": 9}, value=5.0, guidance=1.0)
    records = [own, more, other, point(run, own=chosen, guidance=1.0, top_k=8)]
    board = rank([own, other])
    first, _ = plots(board, (), sweep_plots(sweeps(records)))["sweeps"]
    assert [each["name"] for each in first["axes"]] == ["fid[digits-cnn]", "class_accuracy[digits-cnn]"]
    by_guidance, by_top_k = first["curves"]
    label = next(row.label for row in board.rows if row.records == (own,))
    assert label != "gpt"
    assert [each["name"] for each in (by_guidance, by_top_k)] == [f"{label}, top_k=0", f"{label}, guidance=1"]
    assert by_guidance["run"] == f"seed 0, run {run.run}"
    assert [each["texts"] for each in (by_guidance, by_top_k)] == [["guidance 1", "1.25"], ["top_k 0", "8"]]
    assert by_guidance["ends"][1] == {"values": [2.0, 2.0], "lows": [1.0, 1.0], "highs": [3.0, 3.0]}
    assert "sweeps" not in plots(board, ())
