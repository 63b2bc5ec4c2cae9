"""LPIPS networks of torchmetrics over backbones that lie in the cache; nothing is downloaded in passing."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from genkit.errors import DataError, Unmeasurable
from genkit.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn


class Backbone(NamedTuple):
    """A torchvision network of ImageNet: the name of its published file, which ends with its hash's beginning."""

    net: Literal["alex", "vgg"]
    title: str
    file: str

    @property
    def sha256(self) -> str:
        """The beginning of the file's sha256."""
        return self.file.rpartition("-")[2].partition(".")[0]


ALEX = Backbone("alex", "AlexNet", "alexnet-owt-7be5be79.pth")
VGG = Backbone("vgg", "VGG-16", "vgg16-397923af.pth")


def similarity(backbone: Backbone, resize: int | None = None) -> nn.Module:
    """Return LPIPS over a backbone, for images in [-1, 1] (Zhang et al. 2018, arXiv:1801.03924).

    Raises Unmeasurable, saying where to put the file, if the backbone is not in the cache, DataError if it is damaged.
    """
    path = cache_dir() / "weights" / backbone.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unmeasurable(
            f"it needs {backbone.title}'s weights: put torchvision's {backbone.file} at {path}"
        ) from error
    if not hashlib.sha256(data).hexdigest().startswith(backbone.sha256):
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
        raise DataError(f"{path} does not fit torchvision's {backbone.title}: fetch it again") from error
    found: nn.Module = network.eval().requires_grad_(False)
    return found


def _place(name: str) -> int:
    return int(name.rpartition(".")[2])
