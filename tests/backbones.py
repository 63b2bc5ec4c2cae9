"""Random weights of ImageNet networks in torchvision's layout, in place of the published files."""

from __future__ import annotations

import dataclasses
import hashlib

import torch

from genkit.features import manifest
from genkit.metrics.numerics.perceptual import ALEX, VGG


def put_random_backbones(cache, monkeypatch, networks=(ALEX, VGG)):
    """Put the weights into a cache folder, and a manifest of their hashes in place; return the states by network."""
    from torchvision import models

    monkeypatch.setenv("GENKIT_CACHE", str(cache))
    made, files = {}, []
    for given in networks:
        torch.manual_seed(0)
        network = getattr(models, given.weights)(weights=None)
        state = {k: v for k, v in network.state_dict().items() if k.startswith("features.")}
        path = manifest.find(given.weights).path
        path.parent.mkdir(exist_ok=True)
        torch.save(state, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(dataclasses.replace(manifest.find(given.weights), sha256=sha256))
        made[given.net] = state
    monkeypatch.setattr(manifest, "WEIGHTS", tuple(files))
    return made
