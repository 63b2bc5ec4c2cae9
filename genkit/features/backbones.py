"""dinov2 and clip: vision transformers from timm and open_clip (the extra ``backbones``), weights from a local file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genkit.errors import DataError, MissingError
from genkit.features import manifest
from genkit.features.extractor import Extractor, FeatureRequest, offers, require_grey_or_colour
from genkit.features.normalisation import IMAGENET, Normalisation, normalised
from genkit.features.resize import RESIZES
from genkit.features.state import own_name, read_state

DINOV2 = {
    "vit-l-14": "vit_large_patch14_dinov2",
    "vit-b-14": "vit_base_patch14_dinov2",
    "vit-s-14": "vit_small_patch14_dinov2",
}
"""Architectures: genkit's name and timm's. The first is the default."""

DINOV2_SIZE = 224

CLIP = ["ViT-L-14-336-quickgelu", "ViT-L-14-quickgelu", "ViT-B-32-quickgelu", "ViT-L-14", "ViT-B-32", "ViT-H-14"]
"""Architectures by open_clip's names; OpenAI's weights need quickgelu. The first, which CMMD uses, is the default."""

_RESIZES = ("pil-bicubic", *(name for name in RESIZES if name != "pil-bicubic"))


@dataclass(frozen=True)
class Backbone:
    """A network, the size and normalisation of its input, and the number of its features."""

    module: nn.Module
    size: int
    normalisation: Normalisation
    dim: int


class BackboneExtractor(Extractor):
    """Image embeddings, not normalised to unit length; no logits. Grey images are repeated to three channels."""

    has_logits = False

    def __init__(self, name: str, sha256: str, backbone: Backbone, chosen: dict[str, str], device: str) -> None:
        super().__init__(name, sha256, backbone.dim, backbone.module, device)
        self.batch = 8 if self.device.type == "cpu" else 32  # attention takes 20 MB of memory per image
        self.backbone = backbone
        self.chosen = chosen

    def choices(self) -> dict[str, str]:
        """Return the chosen values, the network's input size and normalisation, and the weights' full hash."""
        mean, std = self.backbone.normalisation
        return {
            **self.chosen,
            "size": str(self.backbone.size),
            "normalisation": f"mean {mean}, std {std}",
            "precision": "float32",
            "layer": "embedding",
            "weights": self.sha256,
        }

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images without 1 or 3 channels; any size is resized."""
        require_grey_or_colour(self.name, shape)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Resize, normalise and run the network."""
        resized = RESIZES[self.chosen["resize"]](images, self.backbone.size)
        return self.module(normalised(resized, self.backbone.normalisation)), None


@offers(architecture=tuple(DINOV2), resize=_RESIZES)
def dinov2(request: FeatureRequest) -> BackboneExtractor:
    """Return DINOv2 (arXiv:2304.07193): the class token after the last norm, 1024 features for the default ViT-L/14.

    Weights are Meta's file: the request's, else the one that ``genkit weights pull`` fetched. Raises MissingError
    without timm or weights, DataError for a file that does not fit.
    """
    chosen = dict(request.choices)
    timm = _library("timm", "dinov2")
    name = f"dinov2-{chosen['architecture']}"
    path = request.weights or _pulled(name)
    state, sha256 = read_state(path, "DINOv2 weights")
    architecture = DINOV2[chosen["architecture"]]
    with torch.device("meta"):
        module = timm.create_model(architecture, pretrained=False, num_classes=0, img_size=DINOV2_SIZE)
    convert = importlib.import_module("timm.models.vision_transformer").checkpoint_filter_fn
    _fill(module, lambda: convert(state, module), path, architecture)
    backbone = Backbone(module, DINOV2_SIZE, IMAGENET, module.num_features)
    known = [weights.sha256 for weights in manifest.WEIGHTS if weights.name == name]
    base_name = "dinov2" if chosen["architecture"] == next(iter(DINOV2)) else name
    return BackboneExtractor(own_name(base_name, sha256, *known), sha256, backbone, chosen, request.device)


@offers(architecture=CLIP, resize=_RESIZES)
def clip(request: FeatureRequest) -> BackboneExtractor:
    """Return CLIP's image tower (arXiv:2103.00020): 768 features for the default ViT-L/14 at 336 pixels.

    Weights are a state dict in open_clip's layout; the extractor is named ``clip-<sha8>`` after them. Raises
    MissingError without open_clip or weights, DataError for a file that does not fit.
    """
    chosen = dict(request.choices)
    open_clip = _library("open_clip", "clip")
    if request.weights is None:
        raise MissingError("clip needs a weights file in open_clip's layout: give it with --weights FILE")
    state, sha256 = read_state(request.weights, "CLIP weights")
    architecture = chosen["architecture"]
    # not create_model: it warns that the network is untrained and configures the program's logging
    with torch.device("meta"):
        visual = open_clip.CLIP(**open_clip.get_model_config(architecture)).visual
    tower = {name.removeprefix("visual."): t for name, t in state.items() if name.startswith("visual.")}
    _fill(visual, lambda: tower, request.weights, architecture)
    normalisation = Normalisation(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    backbone = Backbone(visual, visual.image_size[0], normalisation, visual.output_dim)
    return BackboneExtractor(own_name("clip", sha256), sha256, backbone, chosen, request.device)


def _library(name: str, extractor: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(f"{extractor} needs {name}: install genkit-toolkit[backbones]") from error


def _pulled(name: str) -> Path:
    path = manifest.find(name).path
    if not path.is_file():
        raise MissingError(f"the weights of {name} are not here: genkit weights pull {name}, or give --weights FILE")
    return manifest.pull(name)


def _fill(module: nn.Module, state: Callable[[], Mapping[str, Tensor]], path: Path, architecture: str) -> None:
    """Put weights into a module that has none, without a copy."""
    try:
        module.load_state_dict({name: tensor.float() for name, tensor in state().items()}, assign=True)
    except (RuntimeError, KeyError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not fit {architecture}: {first}") from error
