from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from genkit.errors import DataError
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.vendi import vendi_score
from genkit.ranking.significance import delete_one_covariance


def features(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) + 0.5


def published(x):
    """Transcribed from the definition: cosine kernel, von Neumann entropy of K / n."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = scipy.linalg.eigvalsh(x @ x.T / len(x))
    values = values[values > 0]
    return np.exp(-(values * np.log(values)).sum())


@pytest.mark.parametrize(("n", "d"), [(80, 7), (80, 200), (50, 50)])
def test_equals_the_definition_whichever_matrix_is_smaller(n, d):
    x = features(n, d)
    found = vendi_score(x)
    assert found.value == pytest.approx(published(x), rel=1e-9)
    assert found.replicates[3] == pytest.approx(published(x[block_of(n, 20) != 3]), rel=1e-9)
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(found.stderr, rel=1e-9)


@pytest.mark.parametrize("d", [4, 40])
def test_parallel_rows_are_one_example(d):
    assert vendi_score(np.arange(1, 31)[:, None] * np.ones(d)).value == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("repeats", [1, 3])
def test_orthogonal_rows_count_each_however_often(repeats):
    assert vendi_score(np.tile(np.eye(12), (repeats, 1))).value == pytest.approx(12.0, rel=1e-9)


def test_order_and_length_do_not_matter():
    x = features(80, 7)
    assert vendi_score(x[::-1] * np.arange(1, 81)[:, None]).value == pytest.approx(vendi_score(x).value, rel=1e-9)


def test_collapse_lowers_it():
    x = features(80, 7)
    assert vendi_score(np.concatenate([x[:10]] * 8)).value < vendi_score(x).value


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.diag([0.0, 1, 1])[[0, 1, 2, 1, 2]], "features has rows of zeros, first row 0"),
        (np.full((5, 3), np.inf), "NaN or infinity"),
        (np.ones((1, 3)), "at least 3"),
    ],
)
def test_what_cannot_be_measured_is_refused(x, words):
    with pytest.raises(DataError, match=words):
        vendi_score(x)


@pytest.mark.parametrize("shape", [(50, 3), (5, 9)])
def test_rows_that_are_all_zeros_are_of_one_kind(shape):
    found = vendi_score(np.zeros(shape, np.float32))
    assert (found.value, found.ci_low, found.ci_high) == (1.0, 1.0, 1.0)
