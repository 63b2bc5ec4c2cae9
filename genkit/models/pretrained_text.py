"""The text encoder ``transformers:PATH``: a Hugging Face model in a local folder, frozen (the extra ``text``)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from genkit.data.extras import extra_module
from genkit.errors import DataError, MissingError, UsageError
from genkit.files.integrity import sha256_file
from genkit.files.text import quoted
from genkit.models.conditions import Condition
from genkit.models.text import TextEncoder, TextRequest

LONGEST = 256
"""Tokens of a text that are read."""

_READ = ("*.json", "*.safetensors", "*.txt", "*.model")
"""The files of a folder that may decide what an encoder makes of a text."""


class PretrainedText(TextEncoder):
    """Hidden states of a Hugging Face encoder, or decoder-only language model, at one layer.

    Of a model with both halves the encoder is used. Only local files are read, weights only as safetensors, and no code
    of the folder runs.
    """

    def __init__(self, folder: Path, layer: int) -> None:
        hub = extra_module("transformers", "text", "the text encoder transformers:PATH")
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = hub.AutoTokenizer.from_pretrained(folder, **local)
            local |= {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
            whole, loaded = hub.AutoModel.from_pretrained(folder, **local)
            model = text_half(whole)
            dim = model.config.hidden_size
        except Exception as error:  # of many kinds, for a folder with anything in it
            raise DataError(
                f"{quoted(folder)} holds no text model that transformers can read: {said(error)}"
            ) from error
        refuse_missing(folder, whole, model, loaded)
        super().__init__(dim, _hash_of(folder, layer))
        states = model.config.num_hidden_layers + 1
        if not -states <= layer < states:
            raise UsageError(f"{quoted(folder)} has layers 0 to {states - 1}, or -{states} to -1, but not {layer}")
        self.model, self.layer, self.tokenizer = model.eval(), layer, tokenizer
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
        limit = getattr(model.config, "max_position_embeddings", LONGEST)
        self.longest = min(LONGEST, tokenizer.model_max_length, limit)
        try:
            self._try()
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            raise DataError(f"{quoted(folder)} holds a model that reads no texts alone: {said(error)}") from error

    def _try(self) -> None:
        """Read a text of the greatest length; models that keep some positions for padding take a little less."""
        text = " ".join(["a"] * self.longest)
        with torch.no_grad():
            try:
                self([text])
            except (RuntimeError, IndexError):
                self.longest -= 8
                self([text])

    def forward(self, prompts: Sequence[str]) -> Condition:
        """Return the hidden states [N, T, dim] of texts; an empty text has no tokens."""
        # The tokenizer can fail on half a surrogate pair, which is what a byte that is no UTF-8 is in Python.
        texts = [prompt.encode(errors="replace").decode() for prompt in prompts]
        ids = self.tokenizer(texts, truncation=True, max_length=self.longest)["input_ids"] if texts else []
        lengths = torch.tensor([len(row) if text.strip() else 0 for text, row in zip(texts, ids, strict=True)])
        longest = max([1, *(len(row) for row in ids)])
        padded = torch.tensor([[*row, *[self.tokenizer.pad_token_id] * (longest - len(row))] for row in ids])
        mask = torch.arange(longest) < lengths[:, None]
        # A row without tokens sees its padding: attention to nothing is not a number.
        seen = mask | ((lengths == 0)[:, None] & (torch.arange(longest) == 0))
        given = {"input_ids": padded.view(len(ids), longest).long(), "attention_mask": seen.long()}
        device = self.model.device
        found = self.model(**{name: each.to(device) for name, each in given.items()}, output_hidden_states=True)
        return Condition(found.hidden_states[self.layer].float(), mask.to(device))


def pretrained_text(request: TextRequest) -> PretrainedText:
    """Return the text encoder of a folder, ``PATH`` or ``PATH?layer=N``; -1, the last layer, if none is named.

    Raises MissingError without the package or the folder, DataError for a folder without a text model, UsageError for
    a layer that it lacks.
    """
    path, _, layer = request.argument.partition("?layer=")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise MissingError(f"there is no folder {quoted(folder)}: name one with a text model, as transformers:PATH")
    if layer and not layer.removeprefix("-").isdecimal():
        raise UsageError(f"layer={layer} is no number: write transformers:PATH?layer=-2")
    return PretrainedText(folder, int(layer or -1))


def said(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def text_half(model: Any) -> Any:
    """Return the part of a model that reads texts: an encoder of two halves, or the text tower of CLIP."""
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        return model.get_encoder()
    return getattr(model, "text_model", model)


def refuse_missing(folder: Path, whole: Any, used: Any, loaded: Any) -> None:
    """Raise DataError where weights that are used are not in the folder's files: they would be random each time."""
    missing = {*loaded["missing_keys"], *(each[0] for each in loaded["mismatched_keys"])}
    own = {id(parameter) for name, parameter in used.named_parameters() if "pooler" not in name}
    lacking = sorted(name for name, each in whole.named_parameters() if name in missing and id(each) in own)
    if lacking:
        raise DataError(f"{quoted(folder)} lacks weights, such as {lacking[0]}: restore its files")


def _hash_of(folder: Path, layer: int) -> str:
    """Return the SHA-256 of the layer's number and of the files that decide what the encoder makes of a text."""
    names = sorted({path.name for pattern in _READ for path in folder.glob(pattern) if path.is_file()})
    lines = [f"layer {layer}", *(f"{name} {sha256_file(folder / name)}" for name in names)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
