"""Reading weights files without executing anything in them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor

from genkit.errors import DataError, MissingError


def read_state(path: Path, what: str) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a safetensors or PyTorch file by name, and the file's sha256.

    ``what`` names the weights in messages ("Inception weights"). Raises MissingError for a file that can't be read,
    DataError for one that holds anything but tensors.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"the {what} {path} can't be read: {error.strerror or error}") from error
    refusal = f"{path} is not a file of {what}: it must hold the network's tensors and nothing else"
    try:
        state = _parse(data, safetensors=path.suffix == ".safetensors")
    except Exception as error:
        raise DataError(refusal) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(refusal)
    return {str(name): value for name, value in state.items()}, hashlib.sha256(data).hexdigest()


def _parse(data: bytes, *, safetensors: bool) -> object:
    if safetensors:
        from safetensors.torch import load

        return load(data)
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def own_name(name: str, sha256: str, *published: str) -> str:
    """Return an extractor's name, with part of the hash unless its weights are among the published ones."""
    return name if sha256 in published else f"{name}-{sha256[:8]}"
