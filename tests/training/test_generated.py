"""Training on generated images: never without being told to."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import genkit
from genkit.errors import DataError


@pytest.fixture
def mixed(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for index in range(12):
        info = PngInfo()
        if index % 4 == 0:
            info.add_text("parameters", "a cat\nSteps: 20")
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png", pnginfo=info)
    return folder


def test_training_stops_in_a_sentence_that_names_both_ways(mixed, tmp_path):
    complaint = (
        f"3 of 12 images of folder:{mixed} are generated, as their metadata say (3 by parameters, such as 00.png), and "
        "models trained on generated images get worse: leave them out by --exclude-generated, or go on with them by "
        "genkit train --allow-generated"
    )
    for data in (mixed, genkit.open_dataset(mixed)):
        with pytest.raises(DataError, match=re.escape(complaint)):
            genkit.train("ppca", data, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_training_goes_on_if_told_to_and_its_run_says_so(mixed, tmp_path):
    run = genkit.train("ppca", mixed, root=tmp_path / "runs", allow_generated=True)
    assert "3 generated, as their metadata say" in run.config.summary
    assert run.config.data.num_train < 12
    assert genkit.evaluate(run, count=20, metrics="mse").record.scores  # nothing stops what only measures
    assert genkit.resume(run).id == run.id


def test_training_without_them_reads_the_data_so_again(mixed, tmp_path):
    run = genkit.train("ppca", mixed, root=tmp_path / "runs", exclude_generated=True)
    assert run.config.opening.exclude_generated
    assert run.config.summary.startswith("9 images")
    originals, _ = genkit.reconstruct(genkit.training.runs.open_run(run.path), 2)
    assert len(originals)


def test_samples_of_genkit_are_recognised(digits, tmp_path):
    run = genkit.train("ppca", digits, root=tmp_path / "runs")
    genkit.sample_to_folder(run, tmp_path / "out", 20)
    with pytest.raises(DataError, match="20 of 20 images .* by genkit"):
        genkit.train("ppca", tmp_path / "out", root=tmp_path / "runs")
    genkit.sample_to_folder(run, tmp_path / "bare", 20, metadata=False)
    assert genkit.train("ppca", tmp_path / "bare", root=tmp_path / "runs").finished
