"""pixels: the pixel values as features, for small images and for checks by hand."""

from __future__ import annotations

from torch import Tensor, nn

from genkit.errors import UsageError
from genkit.features.extractor import Extractor, FeatureRequest, offers

MOST = 4096


class Pixels(Extractor):
    """Pixels / 255 in the order channel, row, column: C * H * W features in [0, 1], no logits, no weights."""

    has_logits = False

    def choices(self) -> dict[str, str]:
        """Images are not resized."""
        return {"resize": "none", "normalisation": "x / 255", "precision": "float32", "layer": "pixels"}

    def accepts(self, shape: tuple[int, ...]) -> None:
        """Raise UsageError for images of more than 4,096 values: their covariance would not fit into memory."""
        count = 1
        for side in shape:
            count *= side
        if count > MOST:
            given = "x".join(map(str, shape))
            raise UsageError(
                f"pixels takes at most {MOST:,} values per image, and {given} is {count:,}: resize the images with "
                "--size, or choose --features random-conv or inception"
            )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Flatten."""
        return self.module(images.float() / 255), None


@offers()
def pixels(request: FeatureRequest) -> Pixels:
    """Return the extractor; raises UsageError if weights are given."""
    if request.weights is not None:
        raise UsageError("pixels has no weights: leave --weights out")
    return Pixels("pixels", "none", 0, nn.Flatten(), request.device)
