from __future__ import annotations

import pytest
import torch

from genkit.features.inception_layout import untrained_state


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of random weights in the published layout of Inception."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(untrained_state(), path)
    return path
