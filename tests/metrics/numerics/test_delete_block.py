from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics.numerics.delete_block import centred, trace_of_root, without_rounding


def case(k, m, share, decay=2.0, seed=0):
    """Values, and rows that take away up to ``share`` of every direction they lie in."""
    rng = np.random.default_rng(seed)
    values = np.sort(np.arange(1, k + 1) ** -decay * rng.uniform(0.5, 2, k))
    rows = np.linalg.qr(rng.standard_normal((k, m)))[0].T * np.sqrt(values)
    return values, rows * np.sqrt(share)


def exact(values, rows):
    eigenvalues = np.linalg.eigvalsh(np.diag(values) - rows.T @ rows)
    return np.sqrt(np.maximum(eigenvalues, 0)).sum()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("m", [1, 20, 80])
@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_few_rows_by_quadrature(decay, m, share, monkeypatch):
    values, rows = case(256, m, share, decay)
    expected = exact(values, rows)
    monkeypatch.setattr(np.linalg, "eigvalsh", None)
    assert trace_of_root(values, rows) == pytest.approx(expected, abs=5e-6 * np.sqrt(values).sum())


def test_rows_that_take_whole_directions_away():
    values = np.linspace(1, 2, 300)
    rows = np.eye(300)[:10] * np.sqrt(values[:10, None])
    assert trace_of_root(values, rows) == pytest.approx(np.sqrt(values[10:]).sum(), rel=1e-5)


def test_many_rows_and_small_matrices_are_exact():
    for k, m in ((256, 200), (64, 3)):
        values, rows = case(k, m, 0.3)
        assert trace_of_root(values, rows) == pytest.approx(exact(values, rows), rel=1e-12)


def test_a_determinant_lost_to_rounding_falls_back_on_eigenvalues(monkeypatch):
    values, rows = case(256, 20, 0.5)
    monkeypatch.setattr("genkit.metrics.numerics.delete_block._log_det_rest", raise_error)
    assert trace_of_root(values, rows) == pytest.approx(exact(values, rows), rel=1e-12)


def raise_error(scaled):
    raise np.linalg.LinAlgError


def test_nothing_has_no_trace():
    assert trace_of_root(np.empty(0), np.empty((3, 0))) == 0.0


def test_rounding_of_the_largest_counts_as_zero():
    np.testing.assert_array_equal(without_rounding(np.array([-1e-17, 1e-17, 1e-3, 1.0])), [0, 0, 1e-3, 1.0])


@pytest.mark.parametrize("rank", [1, 6, 8])
@pytest.mark.parametrize("count", [16, 17, 9000])
def test_many_rows_have_a_root_of_their_products_in_their_place(count, rank):
    rng = np.random.default_rng(count)
    features = (rng.standard_normal((10_000, rank)) @ rng.standard_normal((rank, 8)) + 3).astype(np.float32)
    chosen, mean = rng.permutation(10_000)[:count], features.mean(axis=0, dtype=np.float64)
    total, rows = centred(features, chosen, mean)
    plain = features[chosen].astype(np.float64) - mean
    assert len(rows) <= 16
    np.testing.assert_allclose(total, plain.sum(axis=0), rtol=1e-9, atol=1e-9)
    products = plain.T @ plain
    np.testing.assert_allclose(rows.T @ rows, products, atol=1e-12 * np.abs(products).max())
