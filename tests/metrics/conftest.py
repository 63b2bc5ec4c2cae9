from __future__ import annotations

import dataclasses
import hashlib

import pytest
import torch

from genkit.features import manifest
from genkit.metrics.numerics.perceptual import ALEX, VGG
from genkit.models import DataInfo, GenerativeModel


@pytest.fixture
def backbones(tmp_path, monkeypatch):
    """Random weights in torchvision's layout, in the cache, and a manifest of their hashes."""
    from torchvision.models import alexnet, vgg16

    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    made, files = {}, []
    for given, network in ((ALEX, alexnet), (VGG, vgg16)):
        torch.manual_seed(0)
        state = {k: v for k, v in network(weights=None).state_dict().items() if k.startswith("features.")}
        path = manifest.find(given.weights).path
        path.parent.mkdir(exist_ok=True)
        torch.save(state, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(dataclasses.replace(manifest.find(given.weights), sha256=sha256))
        made[given.net] = state
    monkeypatch.setattr(manifest, "WEIGHTS", tuple(files))
    return made


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
