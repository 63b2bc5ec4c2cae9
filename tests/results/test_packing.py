"""Packed scores are the ones that were packed, and one with a mean over seeds is what dataclasses.replace makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from array import array

import pytest
from making import record

from genkit.results.packing import NUMBERS, SHARED, Layout, Shape, over_seeds, packed_record
from genkit.results.records import RecordedScore

SCORE = RecordedScore(
    *("fid[a]", "fid", 1, "lower", 2.0, 0.5, 1.0, 3.0, "jackknife", 60, {"samples.count": 60}),
    seconds=4.0,
    replicates=(1.5, 2.5),
    parts={"0": 7.0},
)


@pytest.fixture
def packed():
    shape = Shape.of({name: getattr(SCORE, name) for name in SHARED}, len(SCORE.replicates), tuple(SCORE.parts))
    own = [getattr(SCORE, name) for name in NUMBERS]
    numbers = array("d", [9.0, *own, *SCORE.replicates, *SCORE.parts.values(), 9.0])
    return shape, shape.score(numbers, 1), shape.score(array("d", range(len(numbers))), 1)


def test_a_packed_score_is_the_one_that_was_packed(packed):
    shape, score, other = packed
    assert score == SCORE and score.fingerprint == SCORE.fingerprint and shape.size == len(NUMBERS) + 3
    assert other.value == 1 and other.replicates == (6, 7) and other.parts == {"0": 8}
    assert shape.facts["value"] is None
    assert pickle.loads(pickle.dumps(score)) == copy.deepcopy(score) == SCORE


def test_a_mean_over_seeds_takes_the_place_of_the_value_alone(packed):
    wanted = {"value": 5.0, "ci_low": 4.0, "ci_high": 6.0, "method": "t over seeds", "replicates": ()}
    for score in (SCORE, packed[1]):
        assert over_seeds(score, 5.0, 1.0) == dataclasses.replace(score, **wanted)
        assert over_seeds(score, 5.0, 1.0).fingerprint == SCORE.fingerprint and score == SCORE


def test_a_packed_record_makes_only_the_scores_that_are_asked_for(packed, monkeypatch):
    shape, *_ = packed
    plain = record("vae", SCORE, dataclasses.replace(SCORE, name="kid", value=8.0))
    layout = Layout.of([shape, Shape({**shape.facts, "name": "kid"}, *shape[1:])])
    numbers = array("d", [9.0, *_numbers(plain.scores[0]), *_numbers(plain.scores[1])])
    facts = {name: each for name, each in vars(plain).items() if name != "scores"}
    made = packed_record(facts, layout, numbers, 1)
    asked = []
    monkeypatch.setattr(Shape, "score", lambda *given, real=Shape.score: asked.append(given) or real(*given))
    assert [name for name, *_ in made.columns.scores] == ["fid[a]", "kid"] and not asked
    assert made.score("kid").value == 8 and made.score("kid") is made.score_at(1) and made.score("x") is None
    assert len(asked) == 1
    assert made.scores[1] is made.score("kid") and made == plain and len(asked) == 2
    for copied in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), dataclasses.replace(made)):
        assert copied == plain and copied.score("kid").value == 8
    with pytest.raises(AttributeError, match="'Record' object has no attribute 'nothing'"):
        made.nothing  # noqa: B018


def _numbers(score):
    return [*(getattr(score, name) for name in NUMBERS), *score.replicates, *score.parts.values()]
