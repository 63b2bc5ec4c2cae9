from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics.numerics import distances, neighbours
from genkit.metrics.numerics.distances import pair_of_points
from genkit.metrics.numerics.half_samples import Parts
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.neighbours import nearest, squared_radii
from genkit.metrics.numerics.repeats import Repeats


def rows(n, d, seed):
    return np.random.default_rng(seed).standard_normal((n, d))


def expected_radii(features, k):
    """By sorting all distances of each part, [n, parts]."""
    members = PARTS.members(Repeats.of(features)).astype(bool)
    radii = np.full(members.shape, -np.inf)
    for part, kept in enumerate(members.T):
        squared = np.sort(np.square(features[kept][:, None] - features[kept]).sum(axis=2), axis=1)
        radii[kept, part] = squared[:, k] if squared.shape[1] > k else np.inf
    return radii


PARTS = Parts(blocks=20, splits=15)
SETS = {
    "plain": rows(150, 6, 0),
    "one column": rows(150, 1, 0),
    "ties": np.random.default_rng(0).integers(0, 3, (150, 4)).astype(float),
    "all equally far": np.eye(70),
    "copies": rows(30, 4, 0)[np.random.default_rng(0).integers(0, 30, 150)],
    "copies in one block": np.where((block_of(150, 20) == 7)[:, None], 1.0, rows(150, 4, 0)),
    "constant": np.ones((60, 3)),
    "tight clusters": rows(150, 4, 0) * 1e-9 + np.arange(150)[:, None] % 3,
    "few": rows(21, 3, 0),
}


@pytest.mark.parametrize("name", SETS)
def test_radii_are_exact_in_every_part(name):
    features = SETS[name]
    points, _ = pair_of_points(features, features, blocks=20, least=1)
    found = squared_radii(points, {1, 5})
    row = {features[first].tobytes(): u for u, first in enumerate(points.first)}
    mine = [row[x.tobytes()] for x in features]
    members = PARTS.members(Repeats.of(features)) > 0
    for k in (1, 5):
        assert (np.where(members, found[k][mine], -np.inf) == expected_radii(features, k)).all()
        assert (np.isneginf(found[k]) == (points.copies == 0)).all()


def test_tiles_and_candidates_do_not_matter(monkeypatch):
    features = rows(150, 6, 0)
    points, _ = pair_of_points(features, features, blocks=20, least=1)
    whole = squared_radii(points, {3})[3]
    for band, candidates in ((8, 32), (41, 1), (64, 1000)):
        monkeypatch.setattr(distances, "_BAND", band)
        monkeypatch.setattr(neighbours, "_CANDIDATES", candidates)
        assert (squared_radii(points, {3})[3] == whole).all()


def test_neighbours_of_another_set_are_measured_and_ordered():
    base, queries = rows(90, 5, 0), rows(70, 5, 1)
    x, y = pair_of_points(base, queries, blocks=20, least=1)
    (found,) = nearest(y, x, 2)
    squared = np.square(queries[:, None] - base).sum(axis=2)
    assert (found.squared == squared[found.row, found.neighbour]).all()
    assert (np.lexsort((found.squared, found.row)) == np.arange(len(found.row))).all()
    assert (found.squared_distance(2)[:, 20] == np.sort(squared, axis=1)[:, 1]).all()
    first = np.flatnonzero(np.diff(found.row, prepend=-1))
    assert (found.neighbour[first] == squared.argmin(axis=1)).all()


def test_only_a_few_candidates_are_measured(monkeypatch):
    measured = []
    original = neighbours.squared_distances
    monkeypatch.setattr(neighbours, "squared_distances", lambda *a: measured.append(len(a[1])) or original(*a))
    features = rows(1200, 8, 0)
    points, _ = pair_of_points(features, features, blocks=20, least=1)
    squared_radii(points, {5})
    assert sum(measured) < 40 * 1200
