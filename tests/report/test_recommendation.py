"""How a recommendation is worded; what is chosen is in tests/ranking/test_recommend.py."""

from __future__ import annotations

from making import record, score, training

from genkit.ranking.recommend import recommend_from
from genkit.report import recommendation


def model(name, fid, **changes):
    return record(name, score(fid, half=0.1), trained=training(), **changes)


def lines(*records):
    return [line.strip() for line in recommendation.text(recommend_from(records)).splitlines()]


def test_how_certain_it_is_stands_below_the_model():
    assert lines(model("a", 1.0))[1] == "the only model measured within the limits"
    assert lines(model("a", 1.0), model("b", 5.0))[1].startswith("better than the only other model within the limits")
    assert lines(model("a", 1.0), model("b", 5.0), model("c", 6.0))[1].startswith("better than all 2 others")
    assert lines(model("a", 1.0), model("b", 1.05))[1] == "tied with b (95 %, evaluation noise only)"
    assert recommendation.document(recommend_from([model("a", 1.0), model("b", 1.05)]))["not_told_apart"] == ["b"]


def test_a_baseline_that_is_as_good_is_named():
    found = lines(model("a", 5.0), record("ppca", score(4.0), kind="baseline"))
    assert "but no better than ppca (4), a simple baseline: train for longer" in found
