from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import DataError
from genkit.evaluation.memorization import closest_pairs


def rows(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)


def plainly(training, generated):
    """The ratios and nearest training rows of all samples, from all pairs."""
    training, generated = (each.astype(np.float64) for each in (training, generated))
    across = np.linalg.norm(generated[:, None] - training, axis=2)
    within = np.linalg.norm(training[:, None] - training, axis=2)
    np.fill_diagonal(within, np.inf)
    nearest = across.argmin(axis=1)
    return across.min(axis=1) / within.min(axis=1)[nearest], nearest


def closest(ratio, nearest):
    """The samples that are the nearest to a training row of all that are near it, the most alike first."""
    order = np.argsort(ratio, kind="stable")
    return np.array([each for place, each in enumerate(order) if nearest[each] not in nearest[order[:place]]])


def test_it_is_the_definition_with_more_rows_than_a_band():
    training, generated = rows(1100), rows(900, 1)
    ratio, nearest = plainly(training, generated)
    order = closest(ratio, nearest)[:12]
    found = closest_pairs(training, generated, 12)
    assert found.sample.tolist() == order.tolist()
    assert found.training.tolist() == nearest[order].tolist()
    assert found.ratio == pytest.approx(ratio[order], rel=1e-6)


def test_copies_come_first_and_a_training_row_is_there_once():
    training, generated = rows(50), rows(20, 1)
    generated[[3, 7, 11]] = training[[40, 9, 40]]
    found = closest_pairs(training, generated, 4)
    assert found.sample[:2].tolist() == [3, 7]
    assert found.training[:2].tolist() == [40, 9]
    assert found.ratio[:2].tolist() == [0, 0]
    assert found.ratio[2] > 0
    everything = closest_pairs(training, generated, 20)
    assert len(set(everything.training)) == len(everything.training) < 19
    ratio, nearest = plainly(training, generated)
    assert everything.ratio == pytest.approx(ratio[closest(ratio, nearest)], rel=1e-5, abs=1e-5)


def test_near_a_training_row_that_is_there_twice_only_a_copy_of_it_counts():
    training = rows(20)
    training[5] = training[4]
    near = training[[4, 8]] + np.float32(1e-3)
    assert closest_pairs(training, near, 3).training.tolist() == [8]
    found = closest_pairs(training, np.concatenate([near, training[4:5]]), 3)
    assert found.sample.tolist() == [2, 1]
    assert found.training.tolist() == [4, 8]


def test_a_model_that_draws_one_image_shows_it_once():
    training = rows(50)
    generated = training[[7] * 9] + rows(9, 1) * np.float32(1e-3)
    assert closest_pairs(training, generated, 8).training.tolist() == [7]


def test_there_may_be_fewer_than_asked_for():
    assert len(closest_pairs(rows(30), rows(30)[:3], 8).ratio) == 3
    with pytest.raises(DataError, match="at least 2"):
        closest_pairs(rows(1), rows(3, 1), 8)
