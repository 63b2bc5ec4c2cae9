from __future__ import annotations

import pytest
import torch

from genkit.features.inception_layout import untrained_state


@pytest.fixture(scope="session")
def inception_state():
    """Random tensors in the published layout of Inception's weights."""
    return untrained_state()


@pytest.fixture(scope="session")
def inception_weights(inception_state, tmp_path_factory):
    """The file of these tensors."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(inception_state, path)
    return path


@pytest.fixture(scope="session")
def draw():
    """Draw uint8 images [n, C, H, W], the same for the same arguments."""

    def images(n, shape=(3, 32, 32), seed=0):
        return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))

    return images
