"""random-conv: an untrained convolutional network with fixed weights, for images of any size, without a download.

Its features tell distributions of textures and edges apart, not of objects.
"""

from __future__ import annotations

import hashlib
import itertools

import torch
from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.features.extractor import Extractor, FeatureRequest, offers, require_grey_or_colour
from genkit.seeds import derive

DIM = 64
WIDTHS = (3, 32, 64, DIM)


class RandomConv(Extractor):
    """64 features: three convolutions with ReLU, halved in between, averaged over the image. No logits.

    Grey images are repeated to three channels. ``sha256`` is the hash of the generated weights.
    """

    has_logits = False

    def choices(self) -> dict[str, str]:
        """Images are not resized."""
        return {"resize": "none", "normalisation": "x / 127.5 - 1", "precision": "float32", "layer": "average of 64"}

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images without 1 or 3 channels."""
        require_grey_or_colour(self.name, shape)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Run the network."""
        return self.module((images.float() / 127.5 - 1).expand(-1, 3, -1, -1)), None


def network() -> nn.Sequential:
    """Return the network with uniform weights of variance 2 / fan_in (He), from a fixed seed."""
    generator = torch.Generator().manual_seed(derive(0, "random-conv"))
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(WIDTHS):
        convolution = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1)
        bound = (6 / (9 * inputs)) ** 0.5
        with torch.no_grad():
            # torch.rand gives the same bits on every machine; normal draws use the machine's log and cosine
            convolution.weight.copy_((torch.rand(convolution.weight.shape, generator=generator) * 2 - 1) * bound)
            convolution.bias.copy_((torch.rand(convolution.bias.shape, generator=generator) * 2 - 1) * 0.1)
        layers += [convolution, nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True)]
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())


@offers()
def random_conv(request: FeatureRequest) -> RandomConv:
    """Return the extractor; raises UsageError if weights are given."""
    if request.weights is not None:
        raise UsageError("random-conv makes its own weights: leave --weights out")
    module = network()
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return RandomConv("random-conv", digest.hexdigest(), DIM, module, request.device)
