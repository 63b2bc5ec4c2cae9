from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError
from genkit.metrics.authpct import authenticity
from genkit.metrics.numerics.jackknife import block_of
from genkit.results.intervals import t_quantile


def features(n, d, seed, scale=1.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(np.float32)


def expected(training, generated):
    """As dgm-eval computes AuthPct: distances to others, to the nearest, compared with that one's own."""
    among = torch.cdist(training, training, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(float("inf"))
    across = torch.cdist(training, generated, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = across.min(dim=0)
    authentic = among.min(dim=0).values[nearest.indices] < nearest.values
    return 100 * authentic.double().mean().item()


@pytest.mark.parametrize("scale", [0.3, 0.8, 1.2])
def test_equals_the_definition(scale):
    training, generated = features(300, 12, 0), features(260, 12, 1, scale)
    found = authenticity(training, generated)
    assert found.value == pytest.approx(expected(*map(torch.from_numpy, (training, generated))), rel=1e-12)
    assert found.n == 260


def test_replicates_are_the_values_of_the_remaining_rows():
    training = features(150, 6, 0)
    generated = np.concatenate([training[:40], training[40:80] + features(40, 6, 1, 0.1), features(50, 6, 2)])
    found = authenticity(training, generated)
    for block in (0, 7, 19):
        less_training = authenticity(training[block_of(150, 20) != block], generated)
        less_generated = authenticity(training, generated[block_of(130, 20) != block])
        assert found.replicates[block] == pytest.approx(less_training.value, rel=1e-12)
        assert found.replicates[20 + block] == pytest.approx(less_generated.value, rel=1e-12)


def test_exact_copies_are_not_authentic():
    training = features(100, 6, 0)
    found = authenticity(training, training[::-1])
    assert (found.value, found.ci_low) == (0.0, 0.0)


def test_copies_of_duplicated_rows_are_not_authentic():
    # Radius 0 and distance 0: not farther.
    training = np.repeat(features(50, 6, 0), 2, axis=0)
    assert authenticity(training, training).value == 0.0
    assert authenticity(training, training + np.float32(1e-3)).value == 100.0


def test_far_rows_are_authentic():
    found = authenticity(features(100, 6, 0), features(80, 6, 1) + 100)
    assert (found.value, found.ci_high) == (100.0, 100.0)


def test_equally_near_rows_are_taken_in_any_order():
    # 1 from both 0 and 2; 0 has a neighbour at 0.5, 2 none nearer than 2: within the ball of one, so suspected.
    training = np.array([[0.0], [-0.5], [2.0], [9.0]])
    generated = np.array([[1.0], [50.0]])
    for order in ([0, 1, 2, 3], [2, 3, 0, 1]):
        assert authenticity(training[order], generated).value == 50.0


def test_intervals_cover_the_expected_value():
    found = []
    for seed in range(150):
        training = features(100, 6, 2 * seed)
        found.append(authenticity(training, features(120, 6, 2 * seed + 1)))
    mean = np.mean([score.value for score in found])
    assert 0.9 <= np.mean([score.ci_low <= mean <= score.ci_high for score in found]) <= 0.99


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match="real features has 1 row;"):
        authenticity(features(1, 6, 0), features(5, 6, 1))
    with pytest.raises(DataError, match="generated features holds NaN"):
        authenticity(features(5, 6, 0), np.full((5, 6), np.nan))


def test_all_authentic_has_the_interval_of_so_many_generated_rows():
    found = authenticity(features(100, 3, 0), features(400, 3, 1) * 50 + 1000)
    assert (found.value, found.stderr) == (100.0, 0.0)
    assert found.ci_low == pytest.approx(100 / (1 + t_quantile(15) ** 2 / 400))
