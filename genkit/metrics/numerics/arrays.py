"""Checks of what a metric is given: NumPy arrays or torch tensors."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError

LARGEST = 1e70
"""Metrics raise features to the fourth power, which overflows float64 above this value and underflows below 1e-70."""


def checked(values: Any, what: str, *, ndim: int, at_least: int = 2, largest: float = LARGEST) -> NDArray[Any]:
    """Return ``values`` as an array of ``ndim`` dimensions; floating types are kept, integers become float64.

    Arrays, tensors on any device, lists of numbers, arrays or tensors are taken, and more axes of length 1 at the end.

    Raises UsageError for a wrong type or number of dimensions, DataError for too few rows, no columns, NaN or infinity,
    values above ``largest`` or all below 1e-70 (all 0 is fine); the message begins with ``what``.
    """
    array = _to_numpy(values, what)
    if array.ndim > ndim and set(array.shape[ndim:]) == {1}:  # pooled features of a convolution, [n, d, 1, 1]
        array = array.reshape(array.shape[:ndim])
    if array.ndim != ndim:
        shape = "[n]" if ndim == 1 else "[n, d]"
        images = ": genkit.features.load_extractor makes features of images" if array.ndim == 4 else ""
        raise UsageError(f"{what} must be {shape}, not an array of shape {list(array.shape)}{images}")
    if len(array) < at_least:
        rows = "1 row" if len(array) == 1 else f"{len(array)} rows"
        raise DataError(f"{what} has {rows}; at least {at_least} are needed")
    if array.size == 0:
        raise DataError(f"{what} has rows without values: its shape is {list(array.shape)}")
    magnitude = max(float(array.max()), -float(array.min()))  # NaN if there is one; np.isfinite takes memory
    if not math.isfinite(magnitude):
        row = next(number for number, each in enumerate(array) if not np.isfinite(each).all())
        raise DataError(
            f"{what} holds NaN or infinity, first in row {row}: leave such rows out, or check how they were made"
        )
    if magnitude > largest or 0 < magnitude < 1 / LARGEST:
        raise DataError(
            f"{what} holds values up to {magnitude:.1e}, outside of {1 / LARGEST:.0e} to {largest:.0e}: "
            "check how they were made, or rescale them"
        )
    return array


def checked_pair(
    real: Any, generated: Any, *, at_least: int = 2, largest: float = LARGEST
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two feature arrays [n, d] and [m, d]; raises like ``checked``, and UsageError for different widths."""
    one = checked(real, "real features", ndim=2, at_least=at_least, largest=largest)
    two = checked(generated, "generated features", ndim=2, at_least=at_least, largest=largest)
    if one.shape[1] != two.shape[1]:
        raise UsageError(
            f"real features have {one.shape[1]} columns and generated features {two.shape[1]}: "
            "take both from one extractor"
        )
    return one, two


def to_numpy(values: Any) -> Any:
    """Return a torch tensor as an array, and of a list of tensors a list of arrays; all else as it is."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    if isinstance(values, list | tuple) and any(hasattr(each, "detach") for each in values):
        return [to_numpy(each) for each in values]
    return values


def _to_numpy(values: Any, what: str) -> NDArray[Any]:
    if isinstance(values, str | bytes | PathLike):
        raise UsageError(f"{what} must be an array, not the path {str(values)!r}: load it first, as with numpy.load")
    if isinstance(values, Mapping):
        raise UsageError(f"{what} must be one array, not several by name: give one of {', '.join(map(str, values))}")
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise UsageError(f"{what} has masked values, which have no number: leave such rows out")
    try:
        array = np.asarray(to_numpy(values))
    except ValueError as error:
        raise UsageError(f"{what} is not a rectangular array: {error}") from error
    if array.dtype == object and array.ndim:  # as of a table's columns
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind in "biu" or (array.dtype.itemsize > 8 and array.dtype.kind == "f"):
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        held = f"{type(values).__name__} {values!r:.60}" if array.ndim == 0 else array.dtype
        raise UsageError(f"{what} must hold real numbers, not {held}")
    return array if array.dtype.itemsize >= 4 else array.astype(np.float32)


def check_gaussian(mean: NDArray[Any], cov: NDArray[Any] | None) -> None:
    """Raise DataError or UsageError for a mean [d] and a covariance [d, d] that are of no distribution."""
    if mean.ndim != 1:
        raise UsageError(f"the mean must be [d], not an array of shape {list(mean.shape)}")
    checked(mean, "the mean", ndim=1, at_least=1)
    if cov is None:
        return
    if cov.shape != (len(mean), len(mean)):
        raise UsageError(f"the mean has shape [{len(mean)}] and the covariance {list(cov.shape)}: give [d] and [d, d]")
    if not np.isfinite(cov).all():
        raise DataError("the covariance holds NaN or infinity: check how it was made")
    largest = float(np.abs(cov).max())
    if np.abs(cov - cov.T).max() > 1e-6 * largest or cov.diagonal().min() < -1e-6 * largest:
        raise DataError("the covariance is not symmetric or has negative variances: check how it was made")
