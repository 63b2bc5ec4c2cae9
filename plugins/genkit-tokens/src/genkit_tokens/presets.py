"""Budgets and sizes with which all token models train; a model adds what its tokenizer needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genkit.models import Preset

DIGITS = {"channels": 32, "width": 64, "layers": 4, "dropout": 0.1}
MNIST = {"likelihood": "bernoulli", "halvings": 3, "channels": 20, "layers": 6}
GPU = {"channels": 64, "width": 512, "layers": 12, "heads": 8, "learning_rate": 5e-4}


def presets(
    mnist: Mapping[str, Any],
    default: Mapping[str, Any],
    gpu: Mapping[str, Any],
    *,
    mnist_images: int = 500_000,
    digits_sampling: Mapping[str, Any] | None = None,
    mnist_sampling: Mapping[str, Any] | None = None,
) -> dict[str, Preset]:
    """Return the presets of a token model, given options for three of them; those of the digits have the defaults."""
    return {
        "digits": Preset(images=200_000, options=DIGITS, sampling=digits_sampling or {}),
        "mnist": Preset(images=mnist_images, options={**MNIST, **mnist}, sampling=mnist_sampling or {}),
        "default": Preset(images=300_000, options=default),
        "gpu": Preset(images=20_000_000, batch=256, options={**GPU, **gpu}),
    }
