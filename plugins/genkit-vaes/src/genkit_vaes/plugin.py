"""What genkit-vaes offers."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """VAE architectures."""
    yield ModelSpec(
        "vae",
        "genkit_vaes.vae:DenseVAE",
        family="vae",
        summary="The original VAE: dense layers, Gaussian or Bernoulli pixels",
        paper="arXiv:1312.6114",
    )
    yield ModelSpec(
        "conv-vae",
        "genkit_vaes.conv_vae:ConvVAE",
        family="vae",
        summary="Convolutional VAE, discretised logistic or Bernoulli pixels",
        paper="arXiv:1312.6114",
    )
