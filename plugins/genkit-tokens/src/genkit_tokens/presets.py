"""Budgets and sizes with which all token models train; a model adds what its tokenizer needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genkit.models import Preset

DIGITS = {"channels": 32, "width": 64, "layers": 4, "dropout": 0.1}
MNIST = {"likelihood": "bernoulli", "halvings": 3, "channels": 20, "layers": 6}
MANY_IMAGES = ("scenes", "cifar10", "cifar100", "fashion-mnist")
"""Data sets of 20,000 training images and more, which the budget passes over a dozen times at most."""
FEW_IMAGES = {"dropout": 0.3}
"""For all other data, as most folders hold few images: without it a transformer learns some thousand photographs by
heart, and its bound on others is worse than that of the codes' frequencies (benchmarks/token_bound.py)."""
GPU = {"channels": 64, "width": 512, "layers": 12, "heads": 8, "learning_rate": 5e-4}


def presets(
    mnist: Mapping[str, Any],
    default: Mapping[str, Any],
    gpu: Mapping[str, Any],
    *,
    mnist_images: int = 500_000,
    digits_sampling: Mapping[str, Any] | None = None,
    mnist_sampling: Mapping[str, Any] | None = None,
    scenes_sampling: Mapping[str, Any] | None = None,
) -> dict[str, Preset]:
    """Return the presets of a token model, given options for some of them; those of the digits have the defaults."""
    return {
        "digits": Preset(images=200_000, options=DIGITS, sampling=digits_sampling or {}),
        "mnist": Preset(images=mnist_images, options={**MNIST, **mnist}, sampling=mnist_sampling or {}),
        **{name: Preset(images=300_000, options=default) for name in MANY_IMAGES},
        "scenes": Preset(images=300_000, options=default, sampling=scenes_sampling or {}),
        "default": Preset(images=300_000, options={**default, **FEW_IMAGES}),
        "gpu": Preset(images=20_000_000, batch=256, options={**GPU, **gpu}),
    }
