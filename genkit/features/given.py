"""Features that another program made: arrays in .npy, .npz, .safetensors or .pt files. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from genkit.data.npy import map_array, map_member, read_array
from genkit.errors import DataError, MissingError, UsageError
from genkit.features.extractor import Extractor
from genkit.features.state import load_tensors
from genkit.files.names import in_utf8
from genkit.files.reading import Zip, entire

GIVEN = "given"
"""The name that features and choices have in place of an extractor's."""
FEATURE_FILES = (".npy", ".npz", ".safetensors", ".pt")
PICKLES = (".pkl", ".pickle", ".joblib")


class Unrun(Extractor):
    """Stands for the extractor that another program used; it sees no images."""

    def __init__(self, name: str, sha256: str, dim: int) -> None:
        super().__init__(name, sha256, dim, nn.Identity())

    def choices(self) -> dict[str, str]:
        """Return no choices, as none are known."""
        return {}

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError, as only features are known."""
        raise UsageError("features made elsewhere are compared with features made elsewhere: name an extractor")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raise UsageError in the same way."""
        raise UsageError("features made elsewhere are compared with features made elsewhere: name an extractor")


def read_features(path: Path | str) -> NDArray[np.floating[Any]]:
    """Read features [n, d] from a file, also of shape [n, d, 1, 1]; the file holds one array, or one named features.

    Raises MissingError without the file, DataError for a pickle, an unknown or damaged file, or another shape.
    """
    path = Path(os.path.expanduser(path))
    refuse_pickle(path)
    if not path.is_file():
        raise MissingError(f"there is no file {path}: check the path of the features")
    if path.suffix.lower() not in FEATURE_FILES:
        raise DataError(f"{path} is no file of features: give {', '.join(FEATURE_FILES)}")
    try:
        array = _chosen(_READERS[path.suffix.lower()](path), path)
    except DataError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} can't be read ({cause}): save one array of numbers with numpy.save") from error
    if array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(
            f"{path} holds {array.dtype} of shape {list(array.shape)}, and features are numbers [n, d] or "
            "[n, d, 1, 1]: save them so, or leave --features given out if these are images"
        )
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def refuse_pickle(path: Path) -> None:
    """Raise DataError for a pickled file, such as the statistics of StyleGAN3 and EDM2."""
    if path.suffix.lower() in PICKLES:
        raise DataError(
            f"{path} is a pickle, which can run code when it is read: where you trust it, load it once yourself and "
            "save its mean and covariance with numpy.savez(FILE, mu=mean, sigma=covariance)"
        )


def content_hash(*arrays: NDArray[Any]) -> str:
    """Return the hash of arrays: of their types, shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {list(array.shape)}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _chosen(arrays: Mapping[str, Any], path: Path) -> NDArray[Any]:
    """Return the only array, or the one named features."""
    if len(arrays) != 1 and "features" not in arrays:
        listed = ", ".join(sorted(arrays)) or "no array"
        raise DataError(f"{path} holds {listed}: save one array, or name the right one features")
    chosen = arrays["features"] if "features" in arrays else next(iter(arrays.values()))
    return _numbers(chosen, path) if isinstance(chosen, Tensor) else np.asarray(chosen)


def _npy(path: Path) -> dict[str, Any]:
    return {"features": map_array(path)}


def _npz(path: Path) -> dict[str, Any]:
    with Zip(path) as file:
        members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
        if len(members) != 1 and "features" not in members:
            return members  # more than one to choose from
        name = "features" if "features" in members else next(iter(members))
        with file.stream(members[name]) as member:
            start = file.start(members[name])
            return {name: read_array(member, entire()) if start is None else map_member(path, start, member)}


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    with in_utf8(path) as file:
        return dict(load_file(file))


def _pt(path: Path) -> dict[str, Any]:
    found = load_tensors(path)
    tensors = {"features": found} if isinstance(found, Tensor) else found
    if not isinstance(tensors, dict):
        raise DataError(f"{path} holds {type(found).__name__}: save one tensor [n, d] with torch.save")
    return {str(name): each for name, each in tensors.items() if isinstance(each, Tensor)}


def _numbers(tensor: Tensor, path: Path) -> NDArray[Any]:
    """Return a tensor's values; bfloat16, which NumPy lacks, as float32. Its rows may not be one row many times."""
    tensor = tensor.detach()
    if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise DataError(f"{path} holds fewer numbers than its shape {list(tensor.shape)} has: save tensor.contiguous()")
    return np.asarray((tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy())


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".pt": _pt,
}
