"""The tokenizer of another run: found by the run's name, held by the hash of its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping

from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.models import GenerativeModel
from genkit.options import to_json
from genkit.training.runs import load
from genkit_tokens.tokenizer import TokenizerOptions


def with_hash(reference: str) -> str:
    """Return ``RUN@HASH`` for the name of a run; a reference that has its hash stays as it is."""
    if not reference or re.search("@[0-9a-f]{16}$", reference):
        return reference
    return f"{reference}@{hash_of(weights_of(load(reference), reference))}"


def borrow(model: GenerativeModel, reference: str) -> None:
    """Load into a model's tokenizer the weights of another run's, named as ``RUN@HASH``.

    Raises UsageError for a run without one, for weights that have another hash, and for a tokenizer of other options or
    for other images, which would make other tokens of the same weights.
    """
    run, _, wanted = reference.rpartition("@")
    other = load(run)
    state = weights_of(other, run)
    if hash_of(state) != wanted:
        raise UsageError(f"the tokenizer of {run} is no longer the one with hash {wanted}: name the run anew")
    names = {field.name for field in dataclasses.fields(TokenizerOptions)} - {"tokenizer_rate", "commitment"}
    theirs, ours = to_json(other.options), to_json(model.options)
    differ = [name for name in sorted({*names, "scales"}) if theirs.get(name) != ours.get(name)]
    if differ:
        given = " ".join(f"-o {name}={json.dumps(theirs.get(name))}" for name in differ)
        raise UsageError(f"the tokenizer of {run} has other options: give them here too, as {given}")
    if (model.data.shape, model.data.levels) != (other.data.shape, other.data.levels):
        raise UsageError(f"the tokenizer of {run} was trained on images of another size or other levels")
    model.tokenizer.load_state_dict(dict(state))  # type: ignore[union-attr]


def weights_of(model: GenerativeModel, run: str) -> Mapping[str, Tensor]:
    """Return the averaged weights of the tokenizer of a run's model; raises UsageError where it has none."""
    tokenizer = getattr(model, "tokenizer", None)
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
