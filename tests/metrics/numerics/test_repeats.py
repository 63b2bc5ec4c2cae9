"""A set that was repeated to look larger counts as its different rows; a model that draws few kinds counts in full."""

from __future__ import annotations

import numpy as np
import pytest

from genkit import metrics
from genkit.metrics import Subsets, frechet_distance, frechet_distance_infinity, memorization_distance
from genkit.metrics.evidence import Evidence
from genkit.metrics.fid_per_class import fid_per_class
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.repeats import Repeats


def features(n, d=64, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


FIFTY = features(50)


def test_rows_are_numbered_in_the_order_in_which_they_first_occur():
    found = Repeats.of(FIFTY[[3, 1, 3, 3, 0]])
    assert found.kinds.tolist() == [0, 1, 0, 0, 2]
    assert (found.different, found.repeated, found.independent) == (3, False, 5)


@pytest.mark.parametrize("length", [100, 150, 170])
def test_a_set_repeated_to_some_length_counts_as_its_different_rows(length):
    found = Repeats.of(np.resize(FIFTY, (length, 64)))
    assert (found.repeated, found.independent) == (True, 50)


@pytest.mark.parametrize(
    "rows",
    [
        FIFTY,
        np.tile(FIFTY[:1], (400, 1)),
        FIFTY[np.random.default_rng(0).integers(50, size=5000)],
        np.concatenate([FIFTY, FIFTY[:7]]),
    ],
    ids=["all different", "collapsed", "drawn from few kinds", "a few copies"],
)
def test_other_sets_count_in_full(rows):
    found = Repeats.of(rows)
    assert (found.repeated, found.independent) == (False, len(rows))
    np.testing.assert_array_equal(found.blocks(20), block_of(len(rows), 20))


def test_copies_share_a_block():
    found = Repeats.of(np.tile(FIFTY, (3, 1)))
    labels = found.blocks(20).reshape(3, 50)
    assert (labels == block_of(50, 20)).all()


@pytest.mark.parametrize("metric", [frechet_distance, memorization_distance, frechet_distance_infinity])
def test_too_few_different_rows_are_not_ranked_however_often_they_occur(metric):
    found = metric(features(400, seed=1), np.tile(FIFTY, (3, 1)))
    assert not found.rankable
    assert "50 rows are too few to rank by with 64 features" in found.note


def test_copies_are_said_and_do_not_narrow_the_interval():
    real = features(400, seed=1)
    once, thrice = frechet_distance(real, FIFTY), frechet_distance(real, np.tile(FIFTY, (3, 1)))
    assert "generated: 50 different of 150 rows" in thrice.note
    assert "different of" not in once.note
    assert thrice.stderr == pytest.approx(once.stderr, rel=0.3)


def test_copies_of_the_reference_count_once_too():
    found = frechet_distance(np.tile(FIFTY, (4, 1)), features(400, seed=1))
    assert not found.rankable
    assert "real: 50 different of 200 rows" in found.note


def test_some_rows_of_a_repeated_set_are_counted_once_too():
    found = Repeats.of(np.tile(FIFTY, (3, 1))).of_rows(np.array([0, 50, 100, 7, 9]))
    assert found.kinds.tolist() == [0, 0, 0, 1, 2]
    assert (found.repeated, found.independent) == (True, 3)
    assert len({*found.blocks(3)[:3]}) == 1


OF_PAIRS = {
    "kid": metrics.kernel_distance,
    "kid of subsets": lambda *pair: metrics.kernel_distance(*pair, subsets=Subsets(count=200, size=40)),
    "kid of few subsets": lambda *pair: metrics.kernel_distance(*pair, subsets=Subsets(count=3, size=40)),
    "cmmd": metrics.cmmd_distance,
    "mind": lambda *pair: metrics.monge_distance(*pair, directions=100),
    "precision": lambda *pair: metrics.precision_recall(*pair).precision,
    "recall": lambda *pair: metrics.precision_recall(*pair).recall,
    "f_score": metrics.f_measure,
    "density": lambda *pair: metrics.density_coverage(*pair).density,
    "coverage": lambda *pair: metrics.density_coverage(*pair).coverage,
    "clipped_density": metrics.clipped_density_score,
    "clipped_coverage": metrics.clipped_coverage_score,
    "authpct": metrics.authenticity,
    "vendi": lambda _, generated: metrics.vendi_score(generated),
    "is": lambda _, generated: metrics.inception_score(generated, splits=1),
}


@pytest.mark.parametrize("name", OF_PAIRS)
def test_copies_of_the_samples_do_not_narrow_any_interval(name):
    """Three times as many different rows would make it narrower, by about the root of three."""
    real, few = features(200, 8, seed=1), features(50, 8, seed=2) * 1.2
    once, thrice = OF_PAIRS[name](real, few), OF_PAIRS[name](real, np.tile(few, (3, 1)))
    assert "50 different of 150 rows" in thrice.note
    assert "different of" not in once.note
    assert thrice.ci_high - thrice.ci_low > 0.75 * (once.ci_high - once.ci_low)


@pytest.mark.parametrize("name", sorted(set(OF_PAIRS) - {"vendi", "is"}))
def test_copies_of_real_images_are_said(name):
    found = OF_PAIRS[name](np.tile(FIFTY[:, :8], (4, 1)), features(60, 8, seed=1))
    assert "real: 50 different of 200 rows" in found.note
    assert found.ci_low <= found.value <= found.ci_high


def test_classes_repeated_and_not_are_measured_together():
    generated = np.concatenate([np.tile(features(12, 3), (5, 1)), features(60, 3, seed=2)])
    labels = np.repeat([0, 1], 60)
    found = fid_per_class(
        Evidence.of_arrays(
            real_features=features(120, 3, seed=3),
            generated_features=generated,
            real_labels=labels,
            generated_labels=labels,
            classes=("a", "b"),
        )
    )
    assert len(found.replicates) == 2 * 12


def test_zeros_of_both_signs_are_equal():
    assert Repeats.of(np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0]])).different == 2
