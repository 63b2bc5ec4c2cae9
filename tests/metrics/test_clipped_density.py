from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genkit.errors import DataError, UsageError
from genkit.metrics import Evidence, clipped_density_score, density_coverage
from genkit.metrics.clipped_density import clipped_density
from genkit.metrics.numerics import distances
from genkit.metrics.numerics.jackknife import block_of


def rows(n, d, seed, scale=1.0, dtype=np.float32):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(dtype)


def ratio(real, generated, k=5):
    """By all distances in float64: the mean clipped count of samples, over that of the real rows among themselves."""
    x, y = real.astype(np.float64), generated.astype(np.float64)
    among, across = (np.sqrt(np.square(x[:, None] - z).sum(axis=2)) for z in (x, y))
    radii = np.sort(among, axis=1)[:, k]
    radii = np.minimum(radii, np.median(radii))[:, None]
    counts = (across <= radii).sum(axis=0), (among <= radii).sum(axis=0) - 1
    samples, ideal = (np.minimum(each, k).mean() for each in counts)
    return samples / ideal


def expected(real, generated, k=5):
    return min(ratio(real, generated, k), 1.0)


REAL = rows(151, 6, 0)
SETS = {
    "plain": (REAL, rows(131, 6, 1)),
    "wide": (REAL, rows(131, 6, 1, 2.0)),
    "crowded": (rows(150, 40, 0), rows(140, 40, 1, 0.8)),
    "float64 offset": (REAL.astype(float) + 1e8, rows(131, 6, 1, 1.5, float) + 1e8),
    "one far row": (REAL * np.where(np.arange(151) == 3, 1e6, 1)[:, None].astype(np.float32), rows(131, 6, 1)),
    "ties": tuple(np.random.default_rng(s).integers(0, 3, (140, 4)).astype(np.float32) for s in (0, 1)),
    "copies of half of the real rows": (REAL, np.concatenate([REAL[:70], rows(60, 6, 1) + 9])),
    "itself": (REAL, REAL),
    "copies within": (REAL[np.random.default_rng(0).integers(0, 40, 150)], rows(131, 6, 1)),
    "a wide and a narrow half": (
        np.concatenate([rows(75, 3, 0, 0.01), rows(75, 3, 1, 10)]),
        np.concatenate([rows(80, 3, 2, 0.01), rows(60, 3, 3, 10)]),
    ),
    "apart": (REAL, rows(131, 6, 1) + 50),
    "constant": (np.ones((60, 3)), np.ones((50, 3))),
}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("name", SETS)
def test_equals_the_definition_in_float64(name, k):
    found = clipped_density_score(*SETS[name], k=k)
    assert found.value == pytest.approx(expected(*SETS[name], k), rel=1e-12)
    assert 0 <= found.ci_low <= found.value <= found.ci_high <= 1


@pytest.mark.parametrize("name", ["wide", "crowded", "ties", "copies within", "a wide and a narrow half"])
def test_replicates_and_halves_are_the_values_of_the_remaining_rows(name):
    real, generated = SETS[name]
    found = clipped_density_score(real, generated)
    x_block, y_block = block_of(len(real), 20), block_of(len(generated), 20)
    for block in range(0, 20, 3):
        less_real = expected(real[x_block != block], generated)
        less_generated = expected(real, generated[y_block != block])
        assert found.replicates[block] == pytest.approx(less_real, rel=1e-12)
        assert found.replicates[20 + block] == pytest.approx(less_generated, rel=1e-12)
    squares = []
    for split in range(1, 16):
        one, two = (
            ratio(*(z[[(int(group) & split).bit_count() % 2 == side for group in block_of(len(z), 16)]] for z in pair))
            for side, pair in ((0, (real, generated)), (1, (real, generated)))
        )
        squares.append((one - two) ** 2 / 4)
    assert found.stderr == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-9)


def test_tiles_do_not_matter(monkeypatch):
    whole = [clipped_density_score(*SETS[name]) for name in ("crowded", "copies within")]
    monkeypatch.setattr(distances, "_BAND", 17)
    monkeypatch.setattr(distances, "_COLUMNS", 4)
    assert [clipped_density_score(*SETS[name]) for name in ("crowded", "copies within")] == whole


def test_an_outlier_among_the_real_rows_does_not_let_bad_samples_count():
    # One real row far away: its ball up to the fifth neighbour would hold everything between.
    real = np.concatenate([rows(200, 4, 0), np.full((6, 4), 100.0)])
    real[-1] = 103
    bad = rows(200, 4, 1) * 3 + 101
    assert density_coverage(real, bad).density.value > 0.5
    assert clipped_density_score(real, bad).value < 0.1


@settings(max_examples=10, deadline=None, derandomize=True)
@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 1000))
def test_it_falls_with_the_share_of_bad_samples(share, seed):
    real, good = rows(300, 6, 2 * seed), rows(300, 6, 2 * seed + 1)
    bad = good + 30.0 * (np.arange(300) < share * 300)[:, None]
    assert clipped_density_score(real, bad).value == pytest.approx(1 - share, abs=0.12)


def test_the_interval_holds_the_average():
    found = [clipped_density_score(rows(100, 6, 2 * s), rows(120, 6, 2 * s + 1, 1.3)) for s in range(150)]
    mean = np.mean([score.value for score in found])
    assert 0.9 <= np.mean([score.ci_low <= mean <= score.ci_high for score in found]) <= 1.0


def test_the_metric_takes_its_parameters():
    real, generated = SETS["wide"]
    evidence = Evidence.of_arrays(real_features=real, generated_features=generated, parameters={"k": 3})
    assert clipped_density(evidence) == clipped_density_score(torch.from_numpy(real), generated, k=3)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match="generated features has 5 rows; at least 6 are needed"):
        clipped_density_score(rows(50, 2, 0), rows(5, 2, 1))
    for k in (0, 2.5):
        with pytest.raises(UsageError, match="whole number of neighbours"):
            clipped_density_score(rows(50, 2, 0), rows(50, 2, 1), k=k)
