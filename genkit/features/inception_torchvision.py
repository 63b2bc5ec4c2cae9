"""inception-torchvision: torchvision's Inception-v3, trained on ImageNet's 1,000 classes.

Architecture and weights differ from those of the published FID, and so do its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from genkit.errors import DataError, MissingError
from genkit.features.extractor import Extractor, FeatureRequest, offers, require_grey_or_colour
from genkit.features.normalisation import IMAGENET, normalised
from genkit.features.resize import bilinear_antialias
from genkit.features.state import own_name, read_state

SIZE = 299


class Network(nn.Module):
    """torchvision's network, which also returns the input of its classifier."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        from torchvision.models import inception_v3  # type: ignore[import-untyped]

        # transform_input: the weights were trained on 2x - 1, which the network makes of ImageNet's normalisation
        self.body = inception_v3(weights=None, aux_logits=False, transform_input=True, init_weights=False)
        self.body.load_state_dict({name: t for name, t in state.items() if not name.startswith("AuxLogits.")})
        self.classifier = self.body.fc
        self.body.fc = nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, 2048] and logits [N, 1000] of normalised images [N, 3, 299, 299]."""
        features = self.body(images)
        return features, self.classifier(features)


class InceptionTorchvision(Extractor):
    """2048 pooled features and 1000 logits. Grey images are repeated to three channels."""

    batch = 32

    def choices(self) -> dict[str, str]:
        """Return the fixed preprocessing and the weights' full hash: other weights make another protocol."""
        return {
            "resize": "bilinear-antialias",
            "normalisation": "imagenet",
            "precision": "float32",
            "layer": "2048",
            "weights": self.sha256,
        }

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images without 1 or 3 channels; any size is resized to 299x299."""
        require_grey_or_colour(self.name, shape)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Resize, normalise and run the network."""
        features, logits = self.module(normalised(bilinear_antialias(images, SIZE), IMAGENET))
        return features, logits


@offers()
def inception_torchvision(request: FeatureRequest) -> InceptionTorchvision:
    """Return the extractor with the request's weights, a file in torchvision's layout.

    Raises MissingError without a file, DataError for one that does not fit.
    """
    if request.weights is None:
        raise MissingError(
            "inception-torchvision needs torchvision's inception_v3_google-0cc3c7bd.pth: give it with --weights FILE"
        )
    state, sha256 = read_state(request.weights, "torchvision Inception weights")
    name = own_name("inception-torchvision", sha256)
    return InceptionTorchvision(name, sha256, 2048, _network(state, request.weights), request.device)


def _network(state: Mapping[str, Tensor], path: Path) -> Network:
    try:
        return Network(state)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not fit torchvision's Inception-v3: {first}") from error
