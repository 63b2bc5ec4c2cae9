from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics.numerics.arrays import checked, checked_pair


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.zeros((3, 2), np.float32), np.float32),
        (np.zeros((3, 2), np.float16), np.float32),
        (np.zeros((3, 2), np.int64), np.float64),
        (torch.zeros(3, 2, dtype=torch.bfloat16), np.float32),
        (torch.zeros(3, 2, requires_grad=True), np.float32),
        ([[1, 2], [3, 4]], np.float64),
    ],
)
def test_floating_types_are_kept_and_others_widened(values, dtype):
    assert checked(values, "features", ndim=2).dtype == dtype


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (np.zeros(3), UsageError, r"features must be \[n, d\], not an array of shape \[3\]"),
        (np.zeros((3, 1, 8, 8)), UsageError, "load_extractor makes features of images"),
        ([["a", "b"]], UsageError, "must hold real numbers"),
        ([[1.0], [1.0, 2.0]], UsageError, "not a rectangular array"),
        (np.zeros((1, 2)), DataError, "has 1 row; at least 2 are needed"),
        (np.zeros((3, 0)), DataError, "rows without values"),
        ([[0.0], [np.nan]], DataError, "NaN or infinity, first in row 1"),
        ([[0.0], [1e71]], DataError, "outside of 1e-70 to 1e\\+70"),
    ],
)
def test_what_can_not_be_measured_is_refused(values, error, words):
    with pytest.raises(error, match=words):
        checked(values, "features", ndim=2)


def test_both_sets_have_the_same_width():
    with pytest.raises(UsageError, match="real features have 2 columns and generated features 3"):
        checked_pair(np.zeros((3, 2)), np.zeros((3, 3)))


ROWS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows.reshape(7, 3, 1, 1),
        lambda rows: torch.tensor(rows).reshape(7, 3, 1, 1).requires_grad_(),
        lambda rows: [torch.tensor(row) for row in rows],
        list,
        lambda rows: rows.tolist(),
        lambda rows: rows.astype(object),
        lambda rows: rows.astype(np.longdouble),
    ],
    ids=["pooled", "tensor", "tensors", "rows", "numbers", "objects", "long"],
)
def test_features_are_taken_in_the_forms_they_come_in(form):
    assert np.array_equal(checked(form(ROWS), "features", ndim=2), ROWS)
    assert checked(form(ROWS), "features", ndim=2).dtype in (np.float32, np.float64)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("features.npy", "not the path 'features.npy': load it first, as with numpy.load"),
        ({"mu": ROWS, "sigma": ROWS}, "give one of mu, sigma"),
        (None, "must hold real numbers, not NoneType"),
        (ROWS.astype(complex), "must hold real numbers, not complex"),
        (np.ma.masked_less(ROWS, 0), "has masked values"),
        (ROWS.reshape(7, 3, 1, 1, 1)[:, :, None].repeat(2, 2), "must be"),
    ],
)
def test_what_is_no_array_of_features_is_refused_with_what_to_do(values, words):
    with pytest.raises(UsageError, match=words):
        checked(values, "features", ndim=2)
