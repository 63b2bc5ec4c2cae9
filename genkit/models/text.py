"""How a model reads prompts: a text encoder by name, and the projection of its vectors to the model's width."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from genkit.errors import PluginError, UsageError
from genkit.models.base import GenerativeModel
from genkit.models.conditions import Condition
from genkit.models.precision import full_precision
from genkit.registry.discovery import registry

LEFT_OUT = 0.1
"""The share of captions or classes that GANs and VAEs leave out in training to draw images without one."""

KEPT_BYTES = 256 << 20
"""Memory for the vectors of texts that a frozen encoder has encoded."""


@dataclass
class TextOptions:
    """Options of a model that can follow prompts, for its own options to inherit.

    ``text``: what reads the captions that the model follows, "bytes" or "transformers:PATH"; empty: it follows classes,
    where the data has them. The hash of a pretrained encoder is added to its name.
    """

    text: str = ""

    def __post_init__(self) -> None:
        if self.text and not re.search("@[0-9a-f]{16}$", self.text):
            self.text = absolute(self.text)
            sha256 = text_encoder(self.text, 8).sha256
            self.text += f"@{sha256[:16]}" if sha256 else ""


@dataclass(frozen=True)
class TextRequest:
    """What a text encoder is made from.

    ``argument``: what follows its name and a colon, e.g. a path. ``width``: the size of the vectors that suits the
    model best, for an encoder that can choose.
    """

    argument: str
    width: int


class TextEncoder(nn.Module):
    """Base of text encoders: ``forward`` makes vectors of texts.

    ``dim``: the size of the vectors. ``sha256``: of the weights of a pretrained encoder, whose weights never change and
    are no part of a checkpoint; empty for one that is trained with the model.
    """

    def __init__(self, dim: int, sha256: str = "") -> None:
        super().__init__()
        self.dim, self.sha256 = dim, sha256

    def forward(self, prompts: Sequence[str]) -> Condition:
        """Return the vectors [N, T, dim] of texts. The other texts change nothing about a text's vectors.

        An empty text has no tokens.
        """
        raise NotImplementedError(f"{type(self).__name__} encodes no texts")


def text_encoder(reference: str, width: int) -> TextEncoder:
    """Return a text encoder: ``reference`` is its name, with a colon and an argument for one that takes it.

    Raises UnknownName with a suggestion, UsageError for a bad argument, PluginError for an encoder that fails.
    """
    spec, argument = registry().text_encoder(reference)
    encoder = spec.load()(TextRequest(argument, width))
    if not isinstance(encoder, TextEncoder):
        raise PluginError(f"text encoder {spec.name!r} makes {type(encoder).__name__}, not a TextEncoder")
    return encoder


def absolute(reference: str) -> str:
    """Return a reference with its path absolute, if it has one: a run is used from other folders too."""
    spec, argument = registry().text_encoder(reference)
    if spec.argument != "PATH":
        return reference
    return f"{reference.removesuffix(argument)}{Path(argument).expanduser().absolute()}"


class Reader(nn.Module):
    """Prompts -> Condition of a width: an encoder, and a linear projection of its vectors.

    An encoder that is trained is a part of the model; a pretrained one is kept beside it, and what it makes of a text
    is kept too.
    """

    def __init__(self, reference: str, width: int) -> None:
        super().__init__()
        name, _, wanted = reference.rpartition("@") if re.search("@[0-9a-f]{16}$", reference) else (reference, "", "")
        encoder = text_encoder(name, width)
        if wanted and not encoder.sha256.startswith(wanted):
            raise UsageError(f"the text encoder {name} is no longer the one with hash {wanted}: restore its files")
        self.frozen = bool(encoder.sha256)
        if self.frozen:
            encoder.requires_grad_(False).eval()
        # A list hides a frozen encoder from parameters(), state_dict() and to().
        self.encoder = nn.Identity() if self.frozen else encoder
        self._encoders = [encoder]
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0
        self.project = nn.Linear(encoder.dim, width, bias=False)

    def forward(self, prompts: Sequence[str]) -> Condition:
        """Return the condition of N prompts; equal ones are encoded once."""
        distinct = list(dict.fromkeys(prompts))
        places = {prompt: place for place, prompt in enumerate(distinct)}
        rows = torch.tensor([places[prompt] for prompt in prompts], device=self.project.weight.device)
        read = self._remembered(distinct) if self.frozen else self._encoders[0](distinct)
        return Condition(self.project(read.tokens), read.mask)[rows]

    def _remembered(self, prompts: list[str]) -> Condition:
        """Return what the frozen encoder makes of different prompts; those that it has seen are not encoded again."""
        device = self.project.weight.device
        encoder = self._encoders[0].to(device)
        for prompt in prompts:
            if prompt not in self._kept:
                # One by one: in batches the last bits would depend on which texts came together, as after a resume.
                with torch.no_grad(), full_precision(device):
                    read = encoder([prompt])
                self._kept[prompt] = read.tokens[0, read.mask[0]].float().cpu()
                self._bytes += self._kept[prompt].nbytes
        found = [self._kept[prompt] for prompt in prompts]
        for prompt in prompts:
            self._kept.move_to_end(prompt)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        lengths = torch.tensor([len(each) for each in found])
        tokens = nn.utils.rnn.pad_sequence(found, batch_first=True)
        return Condition(tokens, torch.arange(tokens.shape[1]) < lengths[:, None]).to(device)


def reader_of(model: GenerativeModel, text: str, width: int) -> Reader | None:
    """Return what reads a model's prompts, for the option ``text``; None, and no ``understand``, if it is empty.

    A model that reads prompts follows no classes. If anything of it is averaged, so is its ``reader``. Raises
    UsageError for data without captions.
    """
    if not text:
        model.understand = None  # type: ignore[assignment]
        return None
    if not model.data.has_prompts:
        raise UsageError(f"text={text} needs images with captions, which this data does not have: leave it out")
    model.conditional = False  # type: ignore[misc]
    if model.ema:
        model.ema = (*model.ema, "reader")  # type: ignore[misc]
    return Reader(text, width)
