"""Reading weights files without executing anything in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from genkit.errors import DataError, MissingError
from genkit.files.integrity import sha256_file
from genkit.files.names import in_utf8
from genkit.files.reading import Zip


def read_state(path: Path, what: str) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a safetensors or PyTorch file by name, and the file's sha256.

    ``what`` names the weights in messages ("Inception weights"). The tensors are mapped from the file, so that only
    those in use are in memory. Raises MissingError for a file that can't be read, DataError for one that holds
    anything but tensors.
    """
    try:
        sha256 = sha256_file(path)
    except OSError as error:
        raise MissingError(f"the {what} {path} can't be read: {error.strerror or error}") from error
    refusal = f"{path} is not a file of {what}: it must hold the network's tensors and nothing else"
    try:
        state = _mapped(path)
    except Exception as error:
        raise DataError(refusal) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(refusal)
    return {str(name): value for name, value in state.items()}, sha256


def _mapped(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        with in_utf8(path) as name:
            return load_file(name)
    return load_tensors(path)


def load_tensors(path: Path) -> object:
    """Return what a PyTorch file holds, without executing anything in it; tensors are mapped from the file.

    Raises DataError for a compressed one, which PyTorch never writes, and what torch.load raises.
    """
    whole = zipfile.is_zipfile(path)  # files of before PyTorch 1.6 are none, and can't be mapped
    if whole:
        with Zip(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise DataError(f"{path} is compressed, as files of PyTorch never are: save it again with torch.save")
    with in_utf8(path) as name:
        return torch.load(name, map_location="cpu", weights_only=True, mmap=whole)


def own_name(name: str, sha256: str, *published: str) -> str:
    """Return an extractor's name, with part of the hash unless its weights are among the published ones."""
    return name if sha256 in published else f"{name}-{sha256[:8]}"
