"""Inception-v3 of the published FID: the TensorFlow graph of 2015, with each reference's preprocessing as a choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from genkit.errors import DataError, UsageError
from genkit.features import manifest
from genkit.features.extractor import Extractor, FeatureRequest, offers, require_grey_or_colour
from genkit.features.inception_layout import misfit
from genkit.features.inception_network import InceptionV3
from genkit.features.resize import RESIZES
from genkit.features.spread import spread
from genkit.features.state import own_name, read_state

SIZE = 299
CHOICES = {
    "resize": tuple(RESIZES),
    "normalisation": ("128", "127.5"),
    "logits": ("unbiased", "biased"),
    "precision": ("float32", "tf32", "bfloat16"),
}
"""The first value of each is the default, torch-fidelity's. Normalisation ``128`` is (x - 128) / 128."""


class Inception(Extractor):
    """Features pooled at one layer; the last layer's 2048 come with 1008-way logits.

    Grey images are repeated to three channels. With precision bfloat16 the convolutions run in it, and pooling and
    logits in float32.
    """

    def __init__(self, name: str, sha256: str, module: InceptionV3, chosen: dict[str, str], device: str) -> None:
        super().__init__(name, sha256, int(module.layer), module, device)
        self.chosen = chosen
        self.precision = chosen["precision"]
        self.has_logits = module.classifier is not None
        self.layer = module.layer
        # on a CPU, few enough that a layer's activations fit into its cache
        self.batch = 8 if self.device.type == "cpu" else 64

    def choices(self) -> dict[str, str]:
        """Return the chosen values, the layer and the weights' full hash: other weights make another protocol."""
        kept = {key: value for key, value in self.chosen.items() if key != "logits" or self.has_logits}
        return {**kept, "layer": self.layer, "weights": self.sha256}

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images without 1 or 3 channels; any size is resized."""
        require_grey_or_colour(self.name, shape)

    def each(self, pieces: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield ``forward`` of each batch; a CPU computes one batch per core."""
        return spread(self.forward, pieces) if self.device.type == "cpu" else super().each(pieces)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Resize, normalise and run the network."""
        level = float(self.chosen["normalisation"])
        resized = RESIZES[self.chosen["resize"]](images, SIZE)
        features_and_logits: tuple[Tensor, Tensor | None] = self.module(
            ((resized - level) / level).expand(-1, 3, -1, -1)
        )
        return features_and_logits


@offers(**CHOICES)
def inception(request: FeatureRequest) -> Inception:
    """Return Inception-v3 with 2048 features and logits; weights are the request's, else cached, else downloaded.

    With other weights than the published ones it is named ``inception-<sha8>``. Raises MissingError without weights,
    DataError for a file that does not fit the network.
    """
    return _at("inception", "2048", request)


@offers(**CHOICES)
def inception_64(request: FeatureRequest) -> Inception:
    """Return the same network up to its first pool: 64 features, no logits."""
    return _at("inception-64", "64", request)


@offers(**CHOICES)
def inception_192(request: FeatureRequest) -> Inception:
    """Return the same network up to its second pool: 192 features, no logits."""
    return _at("inception-192", "192", request)


@offers(**CHOICES)
def inception_768(request: FeatureRequest) -> Inception:
    """Return the same network up to the layer before its auxiliary classifier: 768 features, no logits."""
    return _at("inception-768", "768", request)


def _at(name: str, layer: str, request: FeatureRequest) -> Inception:
    chosen = dict(request.choices)
    if chosen["precision"] == "tf32" and not request.device.startswith("cuda"):
        raise UsageError("tf32 is a precision of NVIDIA GPUs: choose --device cuda, or precision float32 or bfloat16")
    path = request.weights or manifest.pull("inception")
    state, sha256 = read_state(path, "Inception weights")
    problem = misfit(state)
    if problem:
        raise DataError(f"{path} does not fit the published Inception-v3: {problem}")
    dtype = torch.bfloat16 if chosen["precision"] == "bfloat16" else torch.float32
    module = InceptionV3(state, layer=layer, biased=chosen["logits"] == "biased", dtype=dtype)
    return Inception(own_name(name, sha256, manifest.find("inception").sha256), sha256, module, chosen, request.device)
