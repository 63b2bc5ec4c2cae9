"""What metrics know of an evaluation: each thing is computed once, when first asked, and shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Features:
    """What an extractor sees in a set of images: ``features`` float32 or float64 [n, d], ``logits`` [n, k] or None."""

    features: NDArray[np.floating[Any]]
    logits: NDArray[np.floating[Any]] | None = None


class Evidence(Protocol):
    """A subject's samples, reconstructions and likelihoods, as one metric asks for them.

    What a metric does not name in its spec's ``needs`` may be missing.
    """

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The metric's own parameters: its spec's, as the protocol changes them."""

    def parameters_of(self, metric: str) -> Mapping[str, Any] | None:
        """Return another metric's parameters, or None if it is not measured."""

    @property
    def real(self) -> Features:
        """Features of the reference images."""

    @property
    def generated(self) -> Features:
        """Features of the generated images."""

    @property
    def real_labels(self) -> NDArray[np.int64] | None:
        """Labels of the reference images, [n]."""

    @property
    def generated_labels(self) -> NDArray[np.int64] | None:
        """Labels of the generated images, [n]."""

    @property
    def generated_images(self) -> NDArray[np.uint8]:
        """The generated images, [n, C, H, W] in 0 .. 255, memory-mapped."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, 2 ..."""

    @property
    def logit_classes(self) -> tuple[str, ...]:
        """Names of the classes that the extractor's logits are of; empty where they are of none of the data's."""

    @property
    def test(self) -> Any:
        """The test split (genkit.data.Split): levels, labels."""

    @property
    def test_images(self) -> NDArray[np.float32]:
        """Images of the test split, [n, C, H, W] in [0, 1], possibly memory-mapped."""

    @property
    def reconstructions(self) -> NDArray[np.float32]:
        """The model's reconstructions of ``test_images``, of the same shape and range."""

    @property
    def reconstructed(self) -> tuple[Features, Features]:
        """Features of the test images and of their reconstructions."""

    @property
    def kl(self) -> NDArray[np.floating[Any]]:
        """Divergence of each test image's posterior from the prior, [n], in nats."""

    @property
    def posterior_means(self) -> NDArray[np.floating[Any]]:
        """Mean of each test image's posterior, [n, ...latent]."""

    @property
    def model(self) -> Any:
        """The model (genkit.models.base.GenerativeModel), or None for a set of images."""

    @property
    def samples(self) -> Any:
        """How samples are drawn: ``count``, ``chunk``, ``seed``."""

    @property
    def training_seconds(self) -> float | None:
        """How long training took, in seconds."""

    def log_likelihood(self, importance_samples: int) -> NDArray[np.floating[Any]]:
        """Return a lower bound per image of the test split, [n], in nats."""

    def remembered(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return arrays that depend on ``real`` alone: computed once per reference and kept in the cache."""

    def shared(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what several metrics need of the same features and samples: computed once per evaluation."""
