"""Means over seeds are those of the standard library, and only made of what is asked for."""

from __future__ import annotations

import random
import statistics

import pytest
from making import record, score
from scipy import stats

from genkit.ranking import means
from genkit.ranking.means import Means, deviation

RECORDS = [record("m", score(1.0, name="a"), score(5.0, name="b")), record("m", score(2.0, name="a"))]
SEEDS = [{each.name: (made, place) for place, each in enumerate(made.scores)} for made in RECORDS]


def test_a_column_is_the_mean_over_the_seeds_that_have_it():
    found = Means(SEEDS)
    half = stats.t.ppf(0.975, 1) * statistics.stdev([1, 2]) / 2**0.5
    assert list(found) == ["a", "b"] and len(found) == 2 and found["b"] is RECORDS[0].scores[1] and "c" not in found
    assert (found["a"].value, found["a"].method) == (1.5, "t over seeds")
    assert [found["a"].ci_low, found["a"].ci_high] == pytest.approx([1.5 - half, 1.5 + half])
    assert found.newest("a") is RECORDS[1].scores[0] and found.newest("b") is RECORDS[0].scores[1]
    assert list(found.records) == [RECORDS[0], RECORDS[0], RECORDS[1]]


def test_nothing_is_averaged_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(means, "mean_over_seeds", lambda values: pytest.fail("too early"))
    found = Means(SEEDS)
    assert len(found) == 2 and found.newest("a").value == 2 and found.get("c") is None and not Means()


def test_a_deviation_is_rounded_as_the_standard_library_s():
    draw = random.Random(0)
    for _ in range(3000):
        size, power, spread = draw.randint(2, 9), draw.choice([-300, -20, 0, 20, 150]), draw.choice([0, 1e-9, 1])
        values = [draw.gauss(draw.choice([0, 1, 1e6]), spread) * 10.0**power for _ in range(size)]
        assert deviation(values) == statistics.stdev(values)
