"""Packed scores are the ones that were packed, and one with a mean over seeds is what dataclasses.replace makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from array import array

import pytest

from genkit.results.packing import NUMBERS, SHARED, Shape, over_seeds
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
