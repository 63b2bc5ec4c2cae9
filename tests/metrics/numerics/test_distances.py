from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics.numerics import distances
from genkit.metrics.numerics.distances import pair_of_points, pairs, squared_distances, tiles
from genkit.metrics.numerics.jackknife import block_of


def rows(n, d, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def points(real, generated):
    return pair_of_points(real, generated, blocks=2)


def direct(one, two):
    """Squared distances in the long double of this machine, of the rows as they are."""
    return np.square(one[:, None].astype(np.longdouble) - two[None].astype(np.longdouble)).sum(axis=2)


HARD = {
    "plain": lambda dtype: (rows(60, 40, 0, dtype), rows(50, 40, 1, dtype)),
    "offset": lambda dtype: (rows(60, 40, 0, dtype) + dtype(1e3), rows(50, 40, 1, dtype) + dtype(1e3)),
    "huge offset": lambda dtype: (rows(60, 40, 0, dtype) + dtype(1e6), rows(50, 40, 1, dtype) + dtype(1e6)),
    "two tight clusters": lambda dtype: (
        rows(60, 40, 0, dtype) * dtype(1e-3) + dtype(9) * (np.arange(60) % 2)[:, None].astype(dtype),
        rows(50, 40, 1, dtype) * dtype(1e-3) + dtype(9) * (np.arange(50) % 2)[:, None].astype(dtype),
    ),
    "one far row": lambda dtype: (
        (rows(60, 40, 0, dtype) * (1 + 1e4 * (np.arange(60) == 3))[:, None].astype(dtype),) * 2
    ),
    "squares that underflow": lambda dtype: tuple(
        np.concatenate([rows(50, 3, seed, dtype) * dtype(1e-25), np.ones((1, 3), dtype), -np.ones((1, 3), dtype)])
        for seed in (0, 1)
    ),
    "wide": lambda dtype: (rows(20, 2100, 0, dtype), rows(20, 2100, 1, dtype)),
    "one column": lambda dtype: (rows(60, 1, 0, dtype), rows(50, 1, 1, dtype)),
    "constant": lambda dtype: (np.full((20, 3), 7, dtype), np.full((20, 3), 7, dtype)),
}


@pytest.mark.parametrize("product", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", HARD)
def test_bounds_hold_the_distance(name, dtype, product):
    real, generated = HARD[name](dtype)
    x, y = points(real, generated)
    whole = slice(0, len(x)), slice(0, len(y))
    tile = distances._tile(x, y, *whole, lambda column, kind: x.centred(whole[0], column, kind), product)
    i, j = (found.ravel() for found in np.indices(tile.lower.shape))
    lower, upper = tile.bounds(i, j)
    truth = direct(x.rows[x.first], y.rows[y.first]).ravel()
    assert (lower <= truth).all()
    assert (truth <= upper).all()
    if name == "plain":
        assert (upper - lower < 2e-5 * truth).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_bounds_hold_where_float32_could_not_square(scale):
    x, y = points(rows(30, 5, 0) * np.float32(scale), rows(30, 5, 1) * np.float32(scale))
    (tile,) = tiles(x, y)
    i, j = (found.ravel() for found in np.indices(tile.lower.shape))
    lower, upper = tile.bounds(i, j)
    truth = direct(x.rows, y.rows).ravel()
    assert (lower <= truth).all()
    assert (truth <= upper).all()
    assert (upper - lower < 1e-4 * truth).all()


def test_products_are_in_float32_unless_rounding_spoils_them():
    (tile,) = tiles(*points(*HARD["offset"](np.float32)))
    assert tile.lower.dtype == np.float32
    (tile,) = tiles(*points(*HARD["two tight clusters"](np.float32)))
    assert tile.lower.dtype == np.float64


def test_tiles_cover_every_pair_once(monkeypatch):
    monkeypatch.setattr(distances, "_BAND", 7)
    x, y = points(rows(30, 3, 0), rows(23, 3, 1))
    seen = np.zeros((30, 23), int)
    for tile in tiles(x, y):
        seen[tile.rows, tile.columns] += 1
    assert (seen == 1).all()
    within = np.zeros((30, 30), int)
    for tile in tiles(x, x):
        within[tile.rows, tile.columns] += 1
    assert (np.triu(within) == np.triu(np.ones((30, 30)))).all()


def test_blas_has_its_threads_back(monkeypatch):
    monkeypatch.setattr(distances, "_BAND", 7)
    blas = distances._blas()
    x, y = points(rows(30, 3, 0), rows(23, 3, 1))
    with blas.limit(limits=2):
        begun = tiles(x, y)
        next(begun)
        assert {library["num_threads"] for library in blas.info()} == {1}
        begun.close()
        assert {library["num_threads"] for library in blas.info()} == {2}


def test_an_error_in_the_making_of_a_tile_is_raised(monkeypatch):
    def broken(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(distances, "_tile", broken)
    with pytest.raises(MemoryError, match="no room"):
        next(tiles(*points(rows(5, 2, 0), rows(5, 2, 1))))


@pytest.mark.parametrize("d", [1, 3, 37, 2100])
def test_equal_rows_have_bitwise_equal_distances(d):
    # Ties are decided by these numbers: they must not depend on how many pairs are asked for, or on their order.
    real = rows(40, d, 0)
    x, y = points(real, np.concatenate([rows(7, d, 1), real[::-1]]))
    i, j = (found.ravel() for found in np.indices((40, 40)))
    among_real = squared_distances(x, i, x, j)
    assert (among_real == squared_distances(x, j, x, i)).all()
    assert (among_real == squared_distances(x, i, y, 46 - j)).all()
    assert among_real[41 * 5] == 0
    one_by_one = [squared_distances(x, i[p : p + 1], x, j[p : p + 1])[0] for p in range(100)]
    assert (among_real[:100] == one_by_one).all()


def test_distinct_rows_carry_their_copies():
    real = rows(4, 3, 0)[[0, 1, 0, 2, 0, 3]]
    x, _ = points(real, rows(5, 3, 1))
    assert x.first.tolist() == [0, 1, 3, 5]
    labels = block_of(6, 2)
    kept = [labels != 0, labels != 1, labels >= 0]  # without either block, and all
    places = ([0, 2, 4], [1], [3], [5])
    assert x.copies.tolist() == [[int(part[place].sum()) for part in kept] for place in places]
    assert x.sizes.tolist() == [3, 3, 6]


@pytest.mark.parametrize("order", ["C", "F"])
def test_pairs_are_those_of_nonzero(order):
    mask = np.asarray(rows(13, 17, 0) > 1, order=order)
    found = set(zip(*pairs(mask), strict=True))
    assert found == set(zip(*np.nonzero(mask), strict=True))
    assert pairs(mask[:, ::2])[0].size == mask[:, ::2].sum()
