from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln, gammaln

from genkit.errors import DataError
from genkit.metrics import Evidence, clipped_coverage_score, density_coverage
from genkit.metrics.clipped_coverage import clipped_coverage
from genkit.metrics.density import density
from genkit.metrics.numerics import prdc


def rows(n, d, seed, scale=1.0):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale


def expected(real, generated, k=5):
    """By all distances, with the expectation summed over every count as the paper writes it."""
    n, m = len(real), len(generated)
    among, across = (np.sqrt(np.square(real[:, None] - z).sum(axis=2)) for z in (real, generated))
    radii = np.sort(among, axis=1)[:, k, None]
    filled = (np.sort(across, axis=1)[:, :k] < radii).mean()

    def mean(i):
        j = np.arange(i + 1)
        logs = gammaln(i + 1) - gammaln(j + 1) - gammaln(i - j + 1) + betaln(k + j, n - k + i - j) - betaln(k, n - k)
        return float(np.minimum(j, k) @ np.exp(logs)) / k

    levels = [mean(i) if i >= k else 0.0 for i in range(m + 1)]
    return np.searchsorted(levels, filled) / (m + 1)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("scale", [0.3, 0.8, 1.4])
def test_equals_the_definition(k, scale):
    real, generated = rows(150, 6, 0), rows(131, 6, 1, scale)
    assert clipped_coverage_score(real, generated, k=k).value == pytest.approx(expected(real, generated, k), abs=1e-12)


def test_it_is_about_the_share_of_good_samples():
    # Coverage of half the samples is not half the coverage; clipped coverage is.
    real = rows(1000, 6, 0)
    found = [clipped_coverage_score(real, rows(1000, 6, 1) + 50 * (np.arange(1000) < bad)[:, None]) for bad in (0, 500)]
    assert found[0].value > 0.9
    assert found[1].value == pytest.approx(0.5, abs=0.05)
    half = rows(1000, 6, 1) + 50 * (np.arange(1000) < 500)[:, None]
    assert density_coverage(real, half).coverage.value > 0.75


def test_a_collapsed_model_covers_little():
    real = rows(300, 6, 0)
    assert clipped_coverage_score(real, np.repeat(real[:1] + 0.01, 300, axis=0)).value < 0.2


def test_the_interval_holds_the_average():
    found = [clipped_coverage_score(rows(100, 6, 2 * s), rows(120, 6, 2 * s + 1, 0.8)) for s in range(150)]
    mean = np.mean([score.value for score in found])
    assert 0.9 <= np.mean([score.ci_low <= mean <= score.ci_high for score in found]) <= 1.0


def test_it_shares_the_pass_of_density(monkeypatch):
    real, generated = rows(60, 6, 0), rows(80, 6, 1)
    parameters = {"density": {"k": 5, "strict": True}, "clipped_coverage": {"k": 5}}
    evidence = Evidence.of_arrays(real_features=real, generated_features=generated, metrics=parameters)
    assert density(evidence) == density_coverage(real, generated).density
    kept = clipped_coverage_score(real, generated)
    monkeypatch.setattr(prdc, "manifold_scores", None)
    with pytest.raises(TypeError):  # not cached: evidence of arrays keeps nothing by metric
        density(Evidence.of_arrays(real_features=real, generated_features=generated, metrics=parameters))
    assert clipped_coverage(evidence) == kept


def test_images_that_occur_more_than_k_times_are_said_to_have_empty_neighbourhoods():
    copied = np.tile(rows(20, 4, 0), (6, 1))
    found = clipped_coverage_score(copied, copied)
    assert found.value == 0
    assert found.note.startswith("120 of 120 real rows occur more than 5 times: their neighbourhoods are empty")


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="real features has 5 rows; at least 6 are needed"):
        clipped_coverage_score(rows(5, 2, 0), rows(50, 2, 1))
