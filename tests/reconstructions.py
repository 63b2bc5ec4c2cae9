"""Test images and noisy reconstructions, for tests of metrics."""

from __future__ import annotations

import numpy as np
import torch

from genkit.metrics import Evidence


def pair(n=300, shape=(1, 16, 16), noise=0.1):
    rng = np.random.default_rng(0)
    images = rng.random((n, *shape), dtype=np.float32)
    moved = np.clip(images + noise * rng.standard_normal(images.shape), 0, 1).astype(np.float32)
    return Evidence.of_arrays(test_images=images, reconstructions=moved)


def tensors(found):
    return torch.from_numpy(found.reconstructions), torch.from_numpy(found.test_images)
