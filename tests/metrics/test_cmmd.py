from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import DataError, UsageError
from genkit.metrics.cmmd import cmmd_distance
from genkit.metrics.numerics import mmd
from genkit.metrics.numerics.jackknife import block_of


def features(n, seed, d=8, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def published(x, y):
    """Transcribed from the published code: sigma 10, times 1000, the diagonal counted, on rows of norm 1."""
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))

    def mean(a, b):
        squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
        return np.exp(-squares / (2 * 10**2)).mean()

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def test_equals_the_published_code():
    real, generated = features(157, 0), features(203, 1, shift=0.3)
    assert cmmd_distance(real, generated).value == pytest.approx(published(real, generated), rel=1e-8)


def test_lengths_do_not_matter():
    real, generated = features(157, 0), features(203, 1, shift=0.3)
    expected = cmmd_distance(real, generated).value
    assert cmmd_distance(real * 7, generated * np.arange(1, 204)[:, None]).value == pytest.approx(expected, rel=1e-9)


def test_identity_symmetry_and_order():
    real, generated = features(157, 0), features(203, 1, shift=0.3)
    expected = cmmd_distance(real, generated).value
    assert cmmd_distance(real, real).value == pytest.approx(0.0, abs=1e-12)
    assert cmmd_distance(generated, real).value == pytest.approx(expected, rel=1e-9)
    assert cmmd_distance(real[::-1], generated).value == pytest.approx(expected, rel=1e-9)


def test_grows_with_the_shift():
    values = [cmmd_distance(features(200, 0), features(200, 1, shift=shift)).value for shift in (0.0, 0.3, 1.0)]
    assert values == sorted(values)


def test_replicates_leave_out_one_block_each(monkeypatch):
    monkeypatch.setattr(mmd, "_TILE", 13)
    real, generated = features(157, 0), features(203, 1, shift=0.3)
    found = cmmd_distance(real, generated)
    assert found.replicates[4] == pytest.approx(published(real[block_of(157, 20) != 4], generated), rel=1e-8)
    assert found.replicates[24] == pytest.approx(published(real, generated[block_of(203, 20) != 4]), rel=1e-8)


@pytest.mark.parametrize("equal", [True, False])
def test_intervals_hold_the_average_distance_of_such_sets(equal):
    # Rows are one of 5 directions with known frequencies, so the distance of endless samples is a finite sum. Of fewer
    # rows the distance is skewed, and the intervals hold its average less often: benchmarks/coverage.py says how often.
    rng = np.random.default_rng(0)
    kinds = features(5, 3, d=4)
    p, q = np.full(5, 0.2), np.full(5, 0.2) if equal else np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    unit = kinds / np.linalg.norm(kinds, axis=1, keepdims=True)
    endless = 1000 * (p - q) @ np.exp((unit @ unit.T - 1) / 100) @ (p - q)
    found = [cmmd_distance(kinds[rng.choice(5, 600, p=p)], kinds[rng.choice(5, 800, p=q)]) for _ in range(150)]
    truth = np.mean([each.value for each in found])
    hits = sum(each.ci_low <= truth <= each.ci_high for each in found)
    assert truth > endless
    # An exact 95 % interval falls below 132 hits of 150 with probability 4e-4.
    assert hits >= 132


@pytest.mark.parametrize(
    ("generated", "error", "words"),
    [
        (np.eye(8)[:, :8] * [0, 1, 1, 1, 1, 1, 1, 1], DataError, "generated features has rows of zeros, first row 0"),
        (np.full((9, 8), np.nan), DataError, "NaN or infinity"),
        (np.ones((1, 8)), DataError, "at least 3"),
        (np.ones((9, 5)), UsageError, "generated features 5"),
    ],
)
def test_what_cannot_be_measured_is_refused(generated, error, words):
    with pytest.raises(error, match=words):
        cmmd_distance(features(20, 0), generated)
