"""What metrics know of an evaluation: each thing is computed once, when first asked, and shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Features:
    """What an extractor sees in a set of images: ``features`` float32 or float64 [n, d], ``logits`` [n, k] or None."""

    features: NDArray[np.floating[Any]]
    logits: NDArray[np.floating[Any]] | None = None


class Evidence(Protocol):
    """A model's samples, reconstructions and likelihoods, as metrics ask for them."""

    @property
    def real(self) -> Features:
        """Features of the reference images."""

    @property
    def generated(self) -> Features:
        """Features of the generated images."""

    @property
    def test_images(self) -> NDArray[np.float32]:
        """Images of the test split, [n, C, H, W] in [0, 1], possibly memory-mapped."""

    @property
    def reconstructions(self) -> NDArray[np.float32]:
        """The model's reconstructions of ``test_images``, of the same shape and range."""

    def log_likelihood(self, importance_samples: int) -> NDArray[np.floating[Any]]:
        """Return a lower bound per image of the test split, [n], in nats."""
