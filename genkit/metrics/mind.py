"""MIND: the Monge inception distance, a sliced Wasserstein distance between features (Berthet et al. 2026)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.repeats import Repeats, counted_once
from genkit.results.score import Score

_AT_ONCE = 64
"""Directions whose projections are held at once."""
_ROWS = 4096
"""Rows converted to float64 at once."""


def monge_distance(
    real: Any, generated: Any, *, directions: int = 1000, seed: int = 2020, blocks: int = jackknife.BLOCKS
) -> Score:
    """Return the Monge inception distance of two feature sets, arrays or tensors [n, d] and [m, d]; 0 is best.

    3 d times the mean over random unit directions and ranks of the squared difference of the sorted projections: the
    squared 2-Wasserstein distance between projections, which has one solution, sorting (Berthet et al. 2026,
    arXiv:2605.06797). ``directions`` of them are drawn as in torch-fidelity, by a torch generator with ``seed``; of the
    larger set it first draws as many rows as the smaller has, the others are not used. Computed in float64.

    It is biased upwards in the number of rows used, which is the score's ``n``. The interval is for what other sets of
    these sizes give on average, in the same directions: from a two-sample block jackknife over the rows used. What
    is left without a block has fewer rows than the other set, and the distance is then that of their quantile
    functions. Memory grows with n, not n^2. Raises DataError or UsageError for invalid features.
    """
    if not isinstance(directions, int | np.integer) or directions < 1:
        raise UsageError(f"directions is how many are drawn, at least 1, not {directions!r}")
    one, two = checked_pair(real, generated, at_least=3)
    whole = Repeats.of(one), Repeats.of(two)
    chosen, unit = _drawn(one, two, int(directions), seed)
    repeats = [each.of_rows(rows) for each, rows in zip(whole, chosen, strict=True)]
    one, two = one[chosen[0]], two[chosen[1]]
    n, width = one.shape
    count = jackknife.number_of_blocks(blocks, *(each.independent for each in repeats))
    labels = [each.blocks(count) for each in repeats]
    total, deleted = 0.0, np.zeros((2, count))
    for x, y in _projections(one, two, unit):
        orders = [np.argsort(each, axis=1) for each in (x, y)]
        x, y = (np.take_along_axis(each, order, axis=1) for each, order in zip((x, y), orders, strict=True))
        total += float(np.square(x - y).sum()) / n
        deleted[0] += _without_each(x, labels[0][orders[0]], y, count)
        deleted[1] += _without_each(y, labels[1][orders[1]], x, count)
    scale = 3 * width / int(directions)
    left_out = max(len(real), len(generated)) - n
    larger = "real" if len(real) > len(generated) else "generated"
    note = f"{n:,} of {n + left_out:,} {larger} rows, drawn at random" if left_out else ""
    note = "; ".join(filter(None, [note, counted_once(real=whole[0], generated=whole[1])]))
    without_real, without_generated = (scale * np.maximum(deleted, 0.0)).tolist()
    return jackknife.two_sample_score(scale * total, without_real, without_generated, n, note=note).within(0.0)


def mind(evidence: Evidence) -> Score:
    """Return the Monge inception distance of the samples; 0 is best."""
    return monge_distance(evidence.real_features, evidence.generated_features, **evidence.parameters)


def _drawn(real: NDArray[Any], generated: NDArray[Any], directions: int, seed: int) -> tuple[tuple[Any, Any], Array]:
    """Return which rows of either set are used, and unit directions [M, d], in torch-fidelity's order of drawing."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    n = min(len(real), len(generated))

    def some(size: int) -> Any:
        return torch.randperm(size, generator=generator)[:n].numpy() if size > n else slice(None)

    second = some(len(generated))  # its first input; only one of the two draws
    first = some(len(real))
    unit = torch.randn(directions, real.shape[1], generator=generator, dtype=torch.float32).double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return (first, second), unit


def _projections(one: NDArray[Any], two: NDArray[Any], unit: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the projections of both sets on some directions at a time, float64 [directions, n] each.

    Relative to a common centre, which does not move their differences: what is deleted is found from squares.
    """
    centre = one.mean(axis=0, dtype=np.float64)
    for start in range(0, len(unit), _AT_ONCE):
        few = unit[start : start + _AT_ONCE]
        yield _projected(one, centre, few), _projected(two, centre, few)


def _projected(rows: NDArray[Any], centre: Array, unit: Array) -> Array:
    found = np.empty((len(unit), len(rows)))
    for top in range(0, len(rows), _ROWS):
        part = slice(top, top + _ROWS)
        np.matmul(unit, (rows[part] - centre).T, out=found[:, part])
    return found


def _without_each(x: Array, labels: NDArray[np.intp], y: Array, blocks: int) -> Array:
    """Return the sum over directions of the squared distance of x without each block from y, [B]; both sorted [r, n].

    With k values left and the quantile function Q of y it is mean x^2 + mean y^2 - 2 sum_i x_i (C((i + 1) / k) -
    C(i / k)), C the integral of Q from 0, which is linear between multiples of 1 / n.
    """
    n = y.shape[1]
    integral = np.concatenate([np.zeros((len(y), 1)), np.cumsum(y, axis=1)], axis=1) / n
    square = float(np.square(y).sum()) / n
    found, means = np.empty(blocks), {}
    for block in range(blocks):
        kept = x[labels != block].reshape(len(x), -1)
        size = kept.shape[1]
        if size not in means:  # the mean of Q over each of as many equal parts
            place = np.arange(size + 1) * n / size
            low = np.minimum(place.astype(np.intp), n - 1)
            ends = integral[:, low] + (place - low) * y[:, low] / n
            means[size] = np.diff(ends, axis=1)
        found[block] = float(np.square(kept).sum()) / size + square - 2 * float((kept * means[size]).sum())
    return found
