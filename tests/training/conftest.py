from __future__ import annotations

import pytest
from toy_runs import EVERY_STEP

from genkit.training.api import train


@pytest.fixture
def run_toy(toy_models, digits, tmp_path):
    """Train a toy model, by default toy-trouble, with a checkpoint after every step."""

    def go(model="toy-trouble", **arguments):
        return train(model, digits, **{"root": tmp_path / "runs", "device": "cpu", "settings": EVERY_STEP, **arguments})

    return go
