"""torchmetrics' LPIPS networks with backbones from the cache; nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from genkit.errors import DataError, Unmeasurable
from genkit.features import manifest
from genkit.files.reading import entire, read_file

if TYPE_CHECKING:
    from torch import nn


class Backbone(NamedTuple):
    """An ImageNet network: its name in torchmetrics, and the name of its weights in the manifest."""

    net: Literal["alex", "vgg"]
    weights: str


ALEX = Backbone("alex", "alexnet")
VGG = Backbone("vgg", "vgg16")


def similarity(backbone: Backbone, resize: int | None = None) -> nn.Module:
    """Return LPIPS over a backbone, for images in [-1, 1] (Zhang et al. 2018, arXiv:1801.03924).

    Raises Unmeasurable, saying where to put the file, if the weights are not in the cache, DataError if they are
    damaged.
    """
    weights = manifest.find(backbone.weights)
    path = weights.path
    try:
        data = read_file(path, entire())
    except OSError as error:
        raise Unmeasurable(
            f"it needs torchvision's {weights.file}: genkit weights add {weights.name} FILE puts it at {path}"
        ) from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise DataError(f"{path} is not the published file (its sha256 differs): fetch it again")
    import torch
    from torchmetrics.functional.image.lpips import _LPIPS

    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network: Any = _LPIPS(pretrained=True, net=backbone.net, pnet_rand=True, resize=resize)
    convolutions = [layer for layer in network.net.modules() if isinstance(layer, torch.nn.Conv2d)]
    names = sorted({key.rpartition(".")[0] for key in state if key.startswith("features.")}, key=_place)
    try:
        for layer, name in zip(convolutions, names, strict=True):
            layer.load_state_dict({"weight": state[f"{name}.weight"], "bias": state[f"{name}.bias"]})
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} does not fit torchvision's {weights.name}: fetch it again") from error
    lpips: nn.Module = network.eval().requires_grad_(False)
    return lpips


def _place(name: str) -> int:
    return int(name.rpartition(".")[2])
