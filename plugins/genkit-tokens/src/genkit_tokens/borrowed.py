"""The tokenizer of another run: found by the run's name, held by the hash of its weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.training.runs import load


def with_hash(reference: str) -> str:
    """Return ``RUN@HASH`` for the name of a run; a reference that has its hash stays as it is."""
    if not reference or re.search("@[0-9a-f]{16}$", reference):
        return reference
    return f"{reference}@{hash_of(weights(reference))}"


def borrow(tokenizer: nn.Module, reference: str) -> None:
    """Load into a tokenizer the weights of another run's, named as ``RUN@HASH``.

    Raises UsageError for a run without one, for weights that have another hash, or of another shape.
    """
    run, _, wanted = reference.rpartition("@")
    state = weights(run)
    if hash_of(state) != wanted:
        raise UsageError(f"the tokenizer of {run} is no longer the one with hash {wanted}: name the run anew")
    own = {name: tensor.shape for name, tensor in tokenizer.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in state.items()}:
        raise UsageError(
            f"the tokenizer of {run} has another shape: give that run's options of the tokenizer and images of its size"
        )
    tokenizer.load_state_dict(dict(state))


def weights(run: str) -> Mapping[str, Tensor]:
    """Return the averaged weights of a run's tokenizer; raises UsageError where it has none."""
    tokenizer = getattr(load(run), "tokenizer", None)
    if not isinstance(tokenizer, nn.Module):
        raise UsageError(f"{run} has no tokenizer: name a run of a token model")
    return tokenizer.state_dict()


def hash_of(state: Mapping[str, Tensor]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of all weights with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
