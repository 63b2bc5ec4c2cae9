"""AuthPct: the percentage of samples that are not suspected copies of training images (Alaa et al. 2022)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.distances import pair_of_points
from genkit.metrics.numerics.half_samples import Array
from genkit.metrics.numerics.neighbours import Neighbours, nearest, squared_radii
from genkit.metrics.numerics.repeats import counted_once
from genkit.results.score import Score


def authenticity(training: Any, generated: Any, *, k: int = 1, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the percentage of authentic generated rows, in [0, 100]; higher is better, exact copies score 0.

    A row of ``generated`` [m, d] is authentic if it is farther from its nearest row of ``training`` [n, d] than that
    row is from its own nearest other training row (Alaa et al. 2022, arXiv:2102.08921, section 4.3; AuthPct in
    dgm-eval). ``k``, 1 in the paper, takes the distance to that row's k-th nearest instead. If several training rows
    are equally near, this must hold for each of them. Interval, replicates and memory are as for ``precision_recall``,
    with training as the real set. Raises DataError or UsageError for invalid features (fewer than k + 1 rows, NaN,
    different widths).
    """
    if k < 1:
        raise UsageError(f"k is a number of neighbours, at least 1, not {k}")
    one, two = checked_pair(training, generated, at_least=k + 1)
    training_points, generated_points = pair_of_points(one, two, blocks=blocks, least=k + 1)
    radii = squared_radii(training_points, {k})[k]
    bands = nearest(generated_points, training_points, 1)
    authentic = 100.0 * np.concatenate([_farther(neighbours, radii) for neighbours in bands])
    score = generated_points.mean(authentic).score(n=len(two), top=100.0)
    note = counted_once(real=training_points.repeats, generated=generated_points.repeats)
    return dataclasses.replace(score, note=note)


def authpct(evidence: Evidence) -> Score:
    """Return the authenticity of the samples in per cent, in [0, 100]; exact copies of training images score 0."""
    return authenticity(evidence.real_features, evidence.generated_features, **evidence.parameters)


def _farther(neighbours: Neighbours, radii: Array) -> NDArray[np.bool_]:
    """Return which rows are farther from their nearest neighbours than these neighbours' radii, [r, parts]."""
    distance = neighbours.squared_distance(1)
    ties = neighbours.squared[:, None] == distance[neighbours.row]
    radius = np.where(ties, radii[neighbours.neighbour], -np.inf)
    starts = np.flatnonzero(np.diff(neighbours.row, prepend=-1))
    farther: NDArray[np.bool_] = distance > np.maximum.reduceat(radius, starts, axis=0)
    return farther
