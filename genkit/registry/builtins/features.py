"""The built-in feature extractors."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import FeatureSpec, hookimpl


@hookimpl
def genkit_features() -> Iterator[FeatureSpec]:
    """Feature extractors."""
    yield FeatureSpec(
        "digits-cnn",
        "genkit.features.digits_cnn:digits_cnn",
        dim=64,
        for_dataset="digits",
        summary="A small classifier of 8x8 digits, embedded",
    )
    yield FeatureSpec(
        "inception",
        "genkit.features.inception:inception",
        dim=2048,
        summary="Inception-v3 of the published FID: 2048 pooled features and 1008-way logits",
    )
    for layer in (64, 192, 768):
        yield FeatureSpec(
            f"inception-{layer}",
            f"genkit.features.inception:inception_{layer}",
            dim=layer,
            summary=f"Inception-v3, its layer of {layer} features",
        )
    yield FeatureSpec(
        "inception-torchvision",
        "genkit.features.inception_torchvision:inception_torchvision",
        dim=2048,
        summary="torchvision's Inception-v3; needs its weights file",
    )
    yield FeatureSpec("pixels", "genkit.features.pixels:pixels", summary="The raw pixels, for small images")
    yield FeatureSpec(
        "random-conv",
        "genkit.features.random_conv:random_conv",
        dim=64,
        summary="An untrained convolutional network with fixed weights",
    )
    yield FeatureSpec("dinov2", "genkit.features.backbones:dinov2", summary="DINOv2 through timm (extra: backbones)")
    yield FeatureSpec(
        "clip", "genkit.features.backbones:clip", summary="CLIP's image tower through open_clip (extra: backbones)"
    )
