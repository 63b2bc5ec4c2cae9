"""Inception-v3 as the published FID uses it: torch-fidelity's transcription of the TensorFlow graph of 2015.

torch-fidelity's constructor unpickles its weights file freely. Here the file is read once, hashed, and parsed with
``weights_only=True``; the constructor sees plain tensors that were written again in memory.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from genkit.errors import DataError, MissingError, UsageError
from genkit.features.extractor import Extractor, FeatureRequest
from genkit.paths import cache_dir

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FILE = "weights-inception-2015-12-05-6726825d.pth"


class Inception(Extractor):
    """2048 pooled features and the 1008-way logits without bias."""

    batch: ClassVar[int] = 32

    def choices(self) -> dict[str, str]:
        """TensorFlow 1's bilinear rule to 299x299; the weights' full hash keeps numbers of other weights apart."""
        return {
            "resize": "299, bilinear, TensorFlow 1 grid",
            "normalisation": "(x - 128) / 128",
            "dtype": "float32",
            "layer": "2048",
            "logits": "logits_unbiased",
            "weights": self.sha256,
        }

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Grey and colour images of any size are seen; raise UsageError for other numbers of channels."""
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise UsageError(f"inception sees grey or colour images (1 or 3 channels), not {list(shape)}")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Grey images are repeated to three channels."""
        features, logits = self.module(images.expand(-1, 3, -1, -1))
        return features, logits


def inception(request: FeatureRequest) -> Inception:
    """Return Inception-v3 with the weights of the request, of the cache, or downloaded.

    Weights of another hash than the published one are named ``inception-<sha8>``. Raises MissingError if there are
    none, DataError for a file that is no state dict of this network.
    """
    path = request.weights or _published()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"the Inception weights {path} can't be read: {error.strerror or error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    name = "inception" if sha256 == SHA256 else f"inception-{sha256[:8]}"
    return Inception(name, sha256, 2048, _network(_state_dict(data, path), path), request.device)


def _published() -> Path:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    from genkit.downloads import download

    return download([URL_INCEPTION_V3], SHA256, cache_dir() / "weights" / FILE, what="the file of Inception weights")


def _state_dict(data: bytes, path: Path) -> dict[str, Tensor]:
    """Parse a weights file without running anything in it."""
    refusal = f"{path} is not a file of Inception weights: it must hold the network's tensors and nothing else"
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(refusal) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(refusal)
    return {str(name): value for name, value in state.items()}


def _network(state: dict[str, Tensor], path: Path) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    plain = io.BytesIO()
    torch.save(state, plain)
    plain.seek(0)
    try:
        network: nn.Module = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], plain)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not fit torch-fidelity's Inception-v3: {first}") from error
    return network
