"""VAEs are tuned by all their weights: one of prompts, and one whose last stage is a fit of a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from genkit.data import open_dataset
from genkit.training.api import train
from genkit.training.runs import load
from genkit.training.settings import Settings
from genkit.training.tune import tune


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of six digits."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for index, pixels in enumerate(open_dataset("digits").train.uint8(slice(6))):
        Image.fromarray(pixels[0]).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize(("name", "options", "prompt"), [("cvae", {"text": "bytes"}, "a zorp"), ("rae-gmm", {}, "")])
def test_a_vae_is_tuned(name: str, options: dict[str, Any], prompt: str, mine: Path, tmp_path: Path) -> None:
    settings = Settings(checkpoint_seconds=1e6, previews=1, metadata=False)
    common: dict[str, Any] = {"batch": 32, "device": "cpu", "root": tmp_path / "runs", "settings": settings}
    parent = train(name, "digits", images=320, options=options, **common)
    tuned = tune(parent, mine, prompt, images=128, **common)
    before, after = load(parent).state_dict(), load(tuned).state_dict()
    assert tuned.finished and any(not tensor.equal(after[key]) for key, tensor in before.items())
