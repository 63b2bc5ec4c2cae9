"""A GAN of prompts is tuned by all its weights, and measured beside its parent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from genkit.data import open_dataset
from genkit.evaluation.evaluate import evaluate
from genkit.report.concept import concept
from genkit.results import store
from genkit.training.api import train
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


def test_cgan_by_text_learns_new_images_under_a_prompt(mine: Path, tmp_path: Path) -> None:
    settings = Settings(checkpoint_seconds=1e6, previews=1, metadata=False)
    common: dict[str, Any] = {"batch": 32, "device": "cpu", "root": tmp_path / "runs", "settings": settings}
    parent = train("cgan", "digits", images=256, options={"text": "bytes"}, **common)
    tuned = tune(parent, mine, "a zorp", images=128, **common)
    assert tuned.config.tuning is not None and tuned.config.tuning.method == "all"
    records = [evaluate(run, count=64, metrics=["prompt_accuracy", "fid"]) for run in (parent, tuned)]
    scores = [{score.fingerprint for score in each.record.scores} for each in records]
    assert scores[0] == scores[1] and len(scores[0]) == 2
    told = concept(store.exhibits(tuned.path, records[1].record.id))
    assert told is not None and told.asked == '"a zorp"' and told.images == 6
