"""Residual generators and discriminators, plain and class-conditional (arXiv:1802.05957, appendix B.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import one_hot

from genkit.models.layers import Crop
from genkit_gans.blocks import ConditionalBatchNorm, UpBlock, conv3, down_block, first_block, plain_block
from genkit_gans.networks import Shape, halvings, padded, widths


class ResNetGenerator(nn.Module):
    """Latents [N, latent] -> images [N, C, H, W] in [-1, 1].

    ``width`` channels at the finest resolution, doubled with every halving; ``middle`` is a layer at half the size.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        shape: Shape,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        middle: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        count, rows, columns = halvings(*shape[1:])
        channels = widths(width, count)
        self.start = nn.Sequential(
            nn.Linear(latent, channels[0] * rows * columns), nn.Unflatten(1, (channels[0], rows, columns))
        )
        self.blocks = nn.ModuleList(UpBlock(i, o, norm) for i, o in pairwise(channels))
        self.middle = middle(channels[-2])
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), conv3(width, shape[0]), Crop(*shape[1:]), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Return images."""
        return self.generate(latent, [()] * len(self.blocks))

    def generate(self, latent: Tensor, conditions: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """Return images of latents, given the condition of each block's normalisations."""
        x = self.start(latent)
        for number, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True), 1):
            x = block(self.middle(x) if number == len(self.blocks) else x, *condition)
        images: Tensor = self.end(x)
        return images


class ClassResNetGenerator(ResNetGenerator):
    """Latents [N, latent] and labels [N] -> images; each class has its own gains and biases.

    They are linear in vectors [N, classes] if those are given instead of labels.
    """

    def __init__(self, latent: int, width: int, shape: Shape, classes: int) -> None:
        super().__init__(latent, width, shape, partial(ConditionalBatchNorm, condition=classes))
        self.classes = classes

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Return images."""
        condition = labels if labels.is_floating_point() else one_hot(labels, self.classes).to(latent.dtype)
        return self.generate(latent, [(condition,)] * len(self.blocks))


class ResNetFeatures(nn.Sequential):
    """Images [N, C, H, W] in [-1, 1] -> features [N, size], summed over positions; not normalised."""

    def __init__(self, width: int, shape: Shape, middle: Callable[[int], nn.Module] = nn.Identity) -> None:
        count = halvings(*shape[1:])[0]
        self.size = width << (count - 1)
        super().__init__(
            padded(*shape[1:]),
            first_block(shape[0], width),
            middle(width),
            *(down_block(width << i, width << (i + 1)) for i in range(count - 1)),
            plain_block(self.size),
            plain_block(self.size),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features."""
        features: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return features.sum((2, 3))


def resnet_discriminator(width: int, shape: Shape, middle: Callable[[int], nn.Module] = nn.Identity) -> nn.Sequential:
    """Return images [N, C, H, W] -> logits [N]; not normalised."""
    features = ResNetFeatures(width, shape, middle)
    return nn.Sequential(features, nn.Linear(features.size, 1), nn.Flatten(0))


class ProjectionDiscriminator(nn.Module):
    """Images [N, C, H, W] and labels [N] -> logits psi(phi(x)) + <e_y, phi(x)> (arXiv:1802.05637, equation 3).

    With ``texts`` it takes vectors [N, classes] instead of labels, and e is linear in them.
    """

    def __init__(
        self,
        width: int,
        shape: Shape,
        classes: int,
        middle: Callable[[int], nn.Module] = nn.Identity,
        *,
        texts: bool = False,
    ) -> None:
        super().__init__()
        self.features = ResNetFeatures(width, shape, middle)
        self.linear = nn.Linear(self.features.size, 1)
        size = self.features.size
        self.embedding = nn.Linear(classes, size, bias=False) if texts else nn.Embedding(classes, size)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return logits [N]."""
        phi = self.features(images)
        logits: Tensor = self.linear(phi)[:, 0] + (self.embedding(labels) * phi).sum(1)
        return logits
