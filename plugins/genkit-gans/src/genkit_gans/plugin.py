"""What genkit-gans offers."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """GAN architectures."""
    yield ModelSpec(
        "gan",
        "genkit_gans.gan:OriginalGAN",
        family="gan",
        summary="The original GAN: dense generator, convolutional discriminator",
        paper="arXiv:1406.2661",
    )
    yield ModelSpec(
        "dcgan", "genkit_gans.dcgan:DCGAN", family="gan", summary="Deep convolutional GAN", paper="arXiv:1511.06434"
    )
