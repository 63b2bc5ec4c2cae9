from __future__ import annotations

import pytest
from making import record, score

from genkit.ranking import rank
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
