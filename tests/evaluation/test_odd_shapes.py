"""Twenty images of odd or non-square sizes, in one class, under a batch larger than the data: trained on and measured."""

from __future__ import annotations

import numpy as np
import pytest

import genkit
from genkit.errors import GenkitError


def saved(path, count, shape, *, labelled):
    images = np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)
    np.savez(path, images=images, **({"labels": np.zeros(count, int)} if labelled else {}))
    return str(path)


@pytest.mark.parametrize("model", ["ppca", "vae", "dcgan"])
@pytest.mark.parametrize(
    ("shape", "labelled"), [((7, 5), True), ((9, 13, 3), False), ((33, 17, 3), True)], ids=["7x5", "9x13", "33x17"]
)
def test_odd_shapes_are_trained_on_and_measured(tmp_path, model, shape, labelled):
    path = saved(tmp_path / "a.npz", 20, shape, labelled=labelled)
    run = genkit.train(model, path, images=64, batch=64, root=tmp_path / "runs", device="cpu")
    assert run.config.data.num_classes == (1 if labelled else 0)
    found = genkit.evaluate(run, count=16, metrics=["fid", "kid"], features="pixels").record
    assert {"fid[pixels]", "kid[pixels]"} <= {score.name for score in found.scores}
    compared = genkit.compare(path, path, metrics=["fid"], features="random-conv", device="cpu").record
    assert compared.scores[0].value == pytest.approx(0, abs=1e-6)


def test_too_few_images_to_measure_are_one_sentence(tmp_path):
    path = saved(tmp_path / "a.npz", 3, (8, 8), labelled=False)
    run = genkit.train("ppca", path, root=tmp_path / "runs", device="cpu")
    with pytest.raises(GenkitError, match="at least 3 are needed"):
        genkit.evaluate(run, count=16, metrics=["fid"], features="pixels")
