"""The trace of a matrix root with a few rows deleted, which the jackknife of a Frechet distance repeats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics.moments import ROWS, Array

_STEP = 0.8
"""Step of the quadrature in log sqrt(t): the trapezoidal rule's relative error is exp(-pi^2 / step), about 4e-6."""
_LOWEST, _HIGHEST = 0.01, 3.0
"""Ends of the quadrature, relative to the smallest root that matters and to the largest."""


def without_rounding(values: NDArray[np.floating[Any]]) -> Array:
    """Return eigenvalues [k] of a semidefinite matrix, with rounding errors of the largest replaced by 0."""
    floor = len(values) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return np.where(values > floor, values, 0.0)


def centred(features: NDArray[Any], chosen: NDArray[np.intp], mean: Array) -> tuple[Array, Array]:
    """Return the sum [d] of chosen rows of features [n, d] less their mean, and a matrix V [m, d] that has their V^T V.

    That is these rows themselves, or of more than 2 d rows a root [d, d] of V^T V: so memory does not grow with them.
    """
    if len(chosen) <= 2 * len(mean):
        rows = np.asarray(features[chosen], np.float64) - mean
        return rows.sum(axis=0), rows
    total, products = np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
    for start in range(0, len(chosen), ROWS):
        rows = features[chosen[start : start + ROWS]].astype(np.float64)
        rows -= mean
        total += rows.sum(axis=0)
        products += rows.T @ rows
    try:
        root: Array = np.asarray(np.linalg.cholesky(products), np.float64)
        return total, root.T
    except np.linalg.LinAlgError:  # it has no full rank
        values, vectors = np.linalg.eigh(products)
        return total, (vectors * np.sqrt(without_rounding(values))).T


def trace_of_root(values: Array, rows: Array) -> float:
    """Return tr (D - R^T R)^(1/2), with D = diag(values) [k, k], values > 0, rows R [m, k], and no negative eigenvalue.

    For many rows exact, from eigenvalues; for few rows by quadrature of m x m determinants, within about 1e-6 of
    tr D^(1/2).
    """
    if len(values) >= 256 and 3 * len(rows) < len(values):
        try:
            return _by_quadrature(values, rows)
        except np.linalg.LinAlgError:
            pass
    return float(np.sqrt(without_rounding(np.linalg.eigvalsh(np.diag(values) - rows.T @ rows))).sum())


def _by_quadrature(values: Array, rows: Array) -> float:
    """Integrate 2 pi (tr X^(1/2) - tr Y^(1/2)) = int log det (t + X) / det (t + Y) t^(-1/2) dt from 0 to infinity.

    With X = D - R^T R and Y = D the integrand is log det (1 - G), G = R (t + D)^(-1) R^T [m, m]. Its first order in G
    has the integral -sum_i |R_i|^2 / (2 sqrt D_i); the rest, at t = exp(2 u), is summed in equal steps of u.
    """
    roots = np.sqrt(values)
    ascending = np.sort(roots)
    smallest = ascending[np.searchsorted(np.cumsum(ascending), 1e-6 * ascending.sum())]
    lowest = max(_LOWEST * smallest, 1e-6 * ascending[-1])
    nodes = np.exp(np.arange(math.log(lowest), math.log(_HIGHEST * ascending[-1]) + _STEP, _STEP))
    rests = np.array([_log_det_rest(rows / np.sqrt(node**2 + values)) for node in nodes])
    ratio = math.exp(-_STEP)
    # Below the lowest node the integrand is linear in u (constant unless the rank falls), above it decays as exp(-4 u).
    below = rests[0] * ratio / (1 - ratio) + (rests[0] - rests[1]) * ratio / (1 - ratio) ** 2
    above = rests[-1] * ratio**3 / (1 - ratio**3)
    integral = float(nodes @ rests + nodes[0] * below + nodes[-1] * above) * _STEP / math.pi
    first_order = float((np.square(rows).sum(axis=0) / roots).sum()) / 2
    return float(roots.sum()) - first_order + integral


def _log_det_rest(scaled: Array) -> float:
    """Return log det (1 - G) + tr G for G = B B^T, B [m, k]; raises LinAlgError where G reaches 1."""
    gram = scaled @ scaled.T
    factor = np.linalg.cholesky(np.eye(len(gram)) - gram)
    return 2 * float(np.log(factor.diagonal()).sum()) + float(np.trace(gram))
