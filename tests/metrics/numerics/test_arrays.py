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
