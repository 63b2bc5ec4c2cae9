"""Core's feature extractors."""

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
        summary="Inception-v3 of the published FID, through torch-fidelity",
    )
