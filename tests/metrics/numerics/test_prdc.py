from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError
from genkit.metrics.numerics.prdc import density_coverage, precision_recall


def features(n, d, seed, scale=1.0, dtype=np.float32):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(dtype)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_equals_torch_fidelity(k, scale):
    metric_prc = pytest.importorskip("torch_fidelity.metric_prc")
    real, generated = features(300, 24, 0), features(260, 24, 1, scale)
    reference = metric_prc.prc_features_to_metric(
        torch.from_numpy(generated).double(), torch.from_numpy(real).double(), prc_neighborhood=k, verbose=False
    )
    found = precision_recall(real, generated, k=k)
    assert found.precision.value == pytest.approx(reference[metric_prc.KEY_METRIC_PRECISION], abs=1e-7)
    assert found.recall.value == pytest.approx(reference[metric_prc.KEY_METRIC_RECALL], abs=1e-7)


@pytest.mark.parametrize("k", [1, 5])
def test_equals_prdc_without_the_rim(k):
    prdc = pytest.importorskip("prdc")
    real, generated = features(300, 24, 0), features(260, 24, 1, 0.9)
    reference = prdc.compute_prdc(real, generated, k)
    found = precision_recall(real, generated, k=k, strict=True)
    assert found.precision.value == reference["precision"]
    assert found.recall.value == reference["recall"]


def test_exchanged_sets_exchange_the_two():
    real, generated = features(120, 8, 0), features(140, 8, 1, 0.8)
    one, other = precision_recall(real, generated), precision_recall(generated, real)
    assert one.precision.value == other.recall.value != one.recall.value
    assert one.precision.replicates[:20] == other.recall.replicates[20:]
    assert one.precision.stderr == other.recall.stderr


def test_a_wide_model_recalls_and_a_narrow_one_is_precise():
    real = features(400, 8, 0)
    narrow, wide = (precision_recall(real, features(400, 8, 1, scale)) for scale in (0.6, 1.6))
    assert narrow.precision.value > 0.95 > wide.precision.value
    assert wide.recall.value > 0.95 > narrow.recall.value


def test_the_rim_counts_where_all_rows_are_equal():
    same = np.ones((30, 4))
    assert precision_recall(same, same).precision.value == 1.0
    assert precision_recall(same, same, strict=True).precision.value == 0.0


@pytest.mark.parametrize("convert", [torch.from_numpy, lambda x: x.astype(float), np.asfortranarray])
def test_arrays_and_tensors_are_taken(convert):
    real, generated = features(60, 8, 0), features(60, 8, 1)
    assert precision_recall(convert(real), convert(generated)) == precision_recall(real, generated)


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="real features has 3 rows; at least 4 are needed"):
        precision_recall(features(3, 8, 0), features(60, 8, 1))


def test_intervals_cover_the_expected_value():
    # From the jackknife they would cover 99 to 100 %: genkit.metrics.numerics.half_samples says why.
    found = [
        precision_recall(features(100, 8, 2 * seed, dtype=float), features(120, 8, 2 * seed + 1, 1.1, dtype=float))
        for seed in range(150)
    ]
    for scores in zip(*found, strict=True):
        mean = np.mean([score.value for score in scores])
        hits = np.mean([score.ci_low <= mean <= score.ci_high for score in scores])
        assert 0.9 <= hits <= 0.99
        spread = np.std([score.value for score in scores], ddof=1)
        assert np.sqrt(np.mean([score.stderr**2 for score in scores])) == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_density_and_coverage_equal_prdc(k, scale):
    prdc = pytest.importorskip("prdc")
    real, generated = features(300, 24, 0), features(260, 24, 1, scale)
    reference = prdc.compute_prdc(real, generated, k)
    found = density_coverage(torch.from_numpy(real), torch.from_numpy(generated), k=k)
    assert found.density.value == pytest.approx(reference["density"], rel=1e-12)
    assert found.coverage.value == reference["coverage"]


def test_density_and_coverage_of_equal_distributions():
    n, m, k = 60, 80, 5
    found = [density_coverage(features(n, 6, 2 * seed), features(m, 6, 2 * seed + 1), k=k) for seed in range(150)]
    i = np.arange(1, k + 1)
    for scores, expected in zip(zip(*found, strict=True), (1.0, 1 - np.prod((n - i) / (m + n - i))), strict=True):
        values = [score.value for score in scores]
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(150)
        hits = np.mean([score.ci_low <= expected <= score.ci_high for score in scores])
        assert 0.88 <= hits <= 1.0


def test_density_exceeds_one_where_generated_rows_crowd():
    found = density_coverage(features(200, 8, 0), features(200, 8, 1, 0.5))
    assert found.density.value > 2
    assert found.density.ci_high > found.density.value
    assert found.coverage.ci_high <= 1.0


def test_a_collapsed_model_covers_little():
    real = features(200, 8, 0)
    found = density_coverage(real, np.repeat(real[:1] + np.float32(0.01), 200, axis=0))
    assert found.coverage.value < 0.2


def test_the_rim_counts_for_density_only_if_not_strict():
    real = np.arange(12.0)[:, None]
    generated = real + 2.0  # on the rim of the balls to the second neighbour of two to one side
    strict, loose = (density_coverage(real, generated, k=1, strict=strict) for strict in (True, False))
    assert strict.density.value == 10 / 12  # only where a generated row equals a real one
    assert loose.density.value == pytest.approx((10 + 9 + 11) / 12)


def test_images_that_occur_more_than_k_times_have_empty_neighbourhoods_and_it_is_said():
    rows = np.tile(np.random.default_rng(0).standard_normal((20, 4)), (6, 1))
    found = density_coverage(rows, rows)
    for score in found:
        assert score.value == 0
        assert score.note.startswith("120 of 120 real rows occur more than 5 times: their neighbourhoods are empty")
    assert precision_recall(rows, rows).precision.value == 1
    assert not any("empty" in score.note for score in density_coverage(rows[:100], rows))
    assert density_coverage(rows, rows, strict=False).coverage.value == 1
