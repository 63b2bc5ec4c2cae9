from __future__ import annotations

import pytest
import torch
from backbones import put_random_backbones

from genkit.models import DataInfo, GenerativeModel


@pytest.fixture
def backbones(tmp_path, monkeypatch):
    """Random weights in torchvision's layout, in the cache, and a manifest of their hashes."""
    return put_random_backbones(tmp_path, monkeypatch)


class Recording(GenerativeModel):
    """Records what was drawn."""

    conditional = True

    def __init__(self):
        super().__init__(None, DataInfo((1, 2, 2), num_classes=3))
        self.drawn = []

    def sample(self, n, *, generator, condition=None):
        assert not torch.is_grad_enabled()
        assert not self.training
        self.drawn.append((n, None if condition is None else len(condition)))
        return torch.rand(n, 1, 2, 2, generator=generator)


@pytest.fixture
def model():
    """A conditional model of three classes that records what is drawn."""
    return Recording()
