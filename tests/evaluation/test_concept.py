"""What is measured of the images that a run was tuned to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from genkit.errors import DataError
from genkit.evaluation.concept import concept_exhibits
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.models import GenerativeModel
from genkit.report.concept import concept
from genkit.training.api import train
from genkit.training.settings import Settings
from genkit.training.tune import tune
from genkit.training.tuning import open_tuning_data

QUIET = Settings(previews=0, metadata=False)


class Drawer(GenerativeModel):
    """Draws given images [n, C, H, W], again and again."""

    def __init__(self, data, images):
        super().__init__(None, data)
        self.register_buffer("images", images)

    def sample(self, n, *, generator, condition=None):
        return self.images[torch.arange(n) % len(self.images)]


@pytest.fixture
def tuned(toy_models, digits, tmp_path):
    """A run that was tuned to twelve zeros, and their folder."""
    folder = tmp_path / "zeros"
    folder.mkdir()
    for index, place in enumerate(np.flatnonzero(np.asarray(digits.train.labels) == 0)[:12]):
        Image.fromarray(digits.train.uint8(slice(place, place + 1))[0, 0]).save(folder / f"{index}.png")
    common = {"images": 64, "batch": 16, "device": "cpu", "root": tmp_path / "runs", "settings": QUIET}
    return tune(train("toy-trouble", digits, **common), folder, **common), folder


@pytest.fixture
def evaluator(digits):
    return Evaluator(digits, EvalConfig(metrics=["fid"], count=100, device="cpu"))


def found(run, evaluator, images):
    return concept(concept_exhibits(run, Drawer(run.config.data, images), evaluator))


def of_class(digits, label):
    places = np.flatnonzero(np.asarray(digits.train.labels) == label)
    return digits.train.images(places[20:120])


def test_images_like_the_new_ones_are_told_from_others(tuned, evaluator, digits):
    run, _ = tuned
    like, unlike = (found(run, evaluator, of_class(digits, label)) for label in (0, 1))
    (precision, density, authentic), other = like.measures, unlike.measures
    assert precision.value > 0.5 > 0.1 > other[0].value and density.value > other[1].value
    assert precision.old < 0.2 and authentic.value > 50
    assert like.images == 12 and like.samples == 100 and like.picture.startswith("data:image/png")


def test_copies_are_found(tuned, evaluator):
    run, _ = tuned
    data = open_tuning_data(dataclasses.replace(run, config=without_replay(run.config)))
    copies = found(run, evaluator, data.train.images(slice(None)))
    assert copies.measures[2].value == 0 and min(copies.ratios) < 1e-5


def without_replay(config):
    return dataclasses.replace(config, tuning=dataclasses.replace(config.tuning, replay=0.0))


def test_new_images_that_changed_are_not_measured(tuned, evaluator, digits):
    run, folder = tuned
    (folder / "0.png").unlink()
    with pytest.raises(DataError, match="not what the run was tuned to"):
        found(run, evaluator, of_class(digits, 0))


def test_a_run_that_is_not_tuned_has_none(tuned, evaluator, digits):
    run, _ = tuned
    plain = dataclasses.replace(run, config=dataclasses.replace(run.config, parent="", tuning=None))
    assert concept_exhibits(plain, Drawer(run.config.data, of_class(digits, 0)), evaluator) == {}
