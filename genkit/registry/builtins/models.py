"""The built-in models: baselines that calibrate a board."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """Baselines that calibrate a board."""
    yield ModelSpec(
        "ppca",
        "genkit.models.baselines.ppca:PPCA",
        family="baseline",
        summary="Probabilistic PCA: closed form, exact log-likelihood",
        paper="Tipping & Bishop 1999",
    )
    yield ModelSpec(
        "copycat",
        "genkit.models.baselines.copycat:Copycat",
        family="baseline",
        summary="Returns unchanged training images",
    )
    yield ModelSpec(
        "noise", "genkit.models.baselines.noise:Noise", family="baseline", summary="Uniform noise: the worst case"
    )
