"""Means over seeds are those of the standard library, and only made of what is asked for."""

from __future__ import annotations

import random
import statistics

import pytest
from making import score
from scipy import stats

from genkit.ranking import means
from genkit.ranking.means import Means, deviation

SEEDS = [{"a": score(1.0, name="a"), "b": score(5.0, name="b")}, {"a": score(2.0, name="a")}]


def test_a_column_is_the_mean_over_the_seeds_that_have_it():
    found = Means(SEEDS)
    half = stats.t.ppf(0.975, 1) * statistics.stdev([1, 2]) / 2**0.5
    assert list(found) == ["a", "b"] and len(found) == 2 and found["b"] is SEEDS[0]["b"] and "c" not in found
    assert (found["a"].value, found["a"].method) == (1.5, "t over seeds")
    assert [found["a"].ci_low, found["a"].ci_high] == pytest.approx([1.5 - half, 1.5 + half])
    assert found.newest == {"a": SEEDS[1]["a"], "b": SEEDS[0]["b"]}


def test_nothing_is_averaged_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(means, "mean_over_seeds", lambda values: pytest.fail("too early"))
    found = Means(SEEDS)
    assert len(found) == 2 and found.newest and found.get("c") is None and not Means()


def test_a_deviation_is_rounded_as_the_standard_library_s():
    draw = random.Random(0)
    for _ in range(3000):
        size, power, spread = draw.randint(2, 9), draw.choice([-300, -20, 0, 20, 150]), draw.choice([0, 1e-9, 1])
        values = [draw.gauss(draw.choice([0, 1, 1e6]), spread) * 10.0**power for _ in range(size)]
        assert deviation(values) == statistics.stdev(values)
