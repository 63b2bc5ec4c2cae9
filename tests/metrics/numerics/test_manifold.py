from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import DataError, UsageError
from genkit.metrics.numerics import distances
from genkit.metrics.numerics.expected_coverage import share_of_good
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.results.intervals import t_quantile


def rows(n, d, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def expected(real, generated, k, strict):
    """Precision, recall, F-score, density, coverage and clipped coverage by all distances in float64."""
    inside = np.less if strict else np.less_equal
    x, y = real.astype(np.float64), generated.astype(np.float64)
    across = np.square(x[:, None] - y).sum(axis=2)
    r, s = (np.sort(np.square(z[:, None] - z).sum(axis=2), axis=1)[:, k] for z in (x, y))
    held = inside(across, r[:, None])
    recalled = inside(across, s)
    p, q = held.any(axis=0).mean(), recalled.any(axis=1).mean()
    filled = share_of_good(np.minimum(held.sum(axis=1), k).sum() / (k * len(x)), len(x), len(y), k)
    return [
        p,
        q,
        2 * p * q / (p + q) if p + q else 0.0,
        held.sum(axis=0).mean() / k,
        held.any(axis=1).mean(),
        filled,
    ]


def clusters(seed, spread):
    return rows(120, 5, seed) * np.float32(spread) + np.float32(10) * (np.arange(120) % 3)[:, None].astype(np.float32)


REAL = rows(150, 6, 0)
SETS = {
    "plain": (REAL, rows(131, 6, 1)),
    "crowded": (rows(150, 40, 0), rows(140, 40, 1) * np.float32(0.8)),
    "offset": (REAL + np.float32(1e4), rows(131, 6, 1) + np.float32(1e4)),
    "float64 offset": (REAL.astype(float) + 1e8, rows(131, 6, 1, float) + 1e8),
    "huge": (REAL * np.float32(1e25), rows(131, 6, 1) * np.float32(1e25)),
    "tiny": (REAL * np.float32(1e-25), rows(131, 6, 1) * np.float32(1e-25)),
    "tight clusters": (clusters(0, 1e-5), clusters(1, 1e-5)),
    "one far row": (REAL * np.where(np.arange(150) == 3, 1e6, 1)[:, None].astype(np.float32), rows(131, 6, 1)),
    "ties": tuple(np.random.default_rng(s).integers(0, 3, (140, 4)).astype(np.float32) for s in (0, 1)),
    "copies of real rows": (REAL, np.concatenate([REAL[:70], rows(60, 6, 1)])),
    "itself": (REAL, REAL),
    "copies within": (REAL[np.random.default_rng(0).integers(0, 40, 150)], rows(131, 6, 1)),
    "collapsed": (REAL, np.repeat(rows(1, 6, 1), 130, axis=0)),
    "nearly collapsed": (REAL, rows(1, 6, 1) + rows(130, 6, 2) * np.float32(1e-5)),
    "constant": (np.ones((60, 3)), np.ones((50, 3))),
    "one column": (REAL[:, :1], rows(131, 1, 1)),
}


@pytest.mark.parametrize(("k", "strict"), [(3, False), (5, True)])
@pytest.mark.parametrize("name", SETS)
def test_decisions_are_those_of_float64(name, k, strict):
    real, generated = SETS[name]
    found = manifold_scores(
        real, generated, precision_recall=Neighbourhood(k, strict), density_coverage=Neighbourhood(k, strict)
    )
    assert list(found) == ["precision", "recall", "f_score", "density", "coverage", "clipped_coverage"]
    assert [score.value for score in found.values()] == pytest.approx(expected(real, generated, k, strict), rel=1e-14)


@pytest.mark.parametrize("name", ["plain", "crowded", "copies of real rows", "ties", "nearly collapsed"])
def test_replicates_and_halves_are_the_values_of_the_remaining_rows(name):
    real, generated = SETS[name]
    reach = Neighbourhood(3, False)
    found = list(manifold_scores(real, generated, precision_recall=reach, density_coverage=reach).values())
    x_block, y_block = block_of(len(real), 20), block_of(len(generated), 20)
    for block in (0, 7, 19):
        without_real = expected(real[x_block != block], generated, 3, False)
        without_generated = expected(real, generated[y_block != block], 3, False)
        assert [score.replicates[block] for score in found] == pytest.approx(without_real, rel=1e-14)
        assert [score.replicates[20 + block] for score in found] == pytest.approx(without_generated, rel=1e-14)
    squares = np.zeros(6)
    for split in range(1, 16):
        first, second = (
            np.array(expected(*(z[half(len(z), split) == side] for z in (real, generated)), 3, False))
            for side in (0, 1)
        )
        squares += (first - second) ** 2 / 4 / 15
    assert [score.stderr for score in found] == pytest.approx(np.sqrt(squares), rel=1e-12)


def half(n, split):
    return np.array([(int(group) & split).bit_count() % 2 for group in block_of(n, 16)])


def test_one_pass_gives_what_two_give():
    real, generated = SETS["plain"]
    both = manifold_scores(
        real, generated, precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(5, strict=True)
    )
    apart = manifold_scores(real, generated, precision_recall=Neighbourhood(3))
    apart |= manifold_scores(real, generated, density_coverage=Neighbourhood(5, strict=True))
    assert both == apart


@pytest.mark.parametrize("name", ["plain", "crowded", "copies of real rows", "collapsed"])
def test_tiles_do_not_matter(name, monkeypatch):
    real, generated = SETS[name]
    whole = manifold_scores(
        real, generated, precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(5, strict=True)
    )
    monkeypatch.setattr(distances, "_BAND", 17)
    monkeypatch.setattr(distances, "_COLUMNS", 4)
    assert (
        manifold_scores(
            real, generated, precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(5, strict=True)
        )
        == whole
    )


def test_the_smallest_sets_are_measured():
    found = manifold_scores(
        rows(4, 2, 0), rows(4, 2, 1), precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(3)
    )
    assert [found[name].value for name in found] == pytest.approx(expected(rows(4, 2, 0), rows(4, 2, 1), 3, False))
    assert all(score.method == "two-sample block jackknife" for score in found.values())
    # With three rows left none has a third other row: the ball about it holds everything.
    assert found["precision"].replicates[:4] == (1.0, 1.0, 1.0, 1.0)


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="generated features has 5 rows; at least 6 are needed"):
        manifold_scores(
            rows(50, 2, 0), rows(5, 2, 1), precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(5)
        )


@pytest.mark.parametrize("k", [0, -1, 2.5])
def test_k_is_a_number_of_neighbours(k):
    with pytest.raises(UsageError, match="whole number of neighbours"):
        manifold_scores(rows(50, 2, 0), rows(50, 2, 1), precision_recall=Neighbourhood(k))


def test_a_share_of_all_rows_has_the_interval_of_its_own_rows():
    wide, narrow, dense = rows(400, 2, 0), rows(100, 2, 1) * np.float32(0.01), rows(3000, 2, 2)
    reach = {"precision_recall": Neighbourhood(20), "density_coverage": Neighbourhood(5)}
    found = {
        100: [manifold_scores(wide, narrow, **reach)["precision"], manifold_scores(narrow, wide, **reach)["recall"]],
        400: [manifold_scores(wide, np.concatenate([wide, dense]), **reach)["coverage"]],
    }
    for count, shares in found.items():
        for share in shares:
            assert (share.value, share.stderr) == (1.0, 0.0)
            assert share.ci_low == pytest.approx(1 / (1 + t_quantile(15) ** 2 / count))
