"""genkit whence, and --no-metadata of the commands that draw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def trained(genkit):
    assert genkit("train", "--model", "vae", "--images", 64, "-o", "width=8").code == 0


def test_a_picture_is_described_and_drawn_again(genkit, trained):
    genkit("sample", "--model", "vae", "-n", 3, "--seed", 4)
    result = genkit("whence", "samples.png", "--draw")
    assert result.code == 0, result.err
    assert "images 0 to 2 of genkit sample, seed 4" in result.out and "the same" in result.out
    document = json.loads(genkit("whence", "samples.png", "--json").out)
    assert document["origin"]["seed"] == 4 and document["source_type"] == "trainedAlgorithmicMedia"


def test_a_picture_that_says_nothing_exits_with_1_and_one_line(genkit, trained):
    genkit("sample", "--model", "vae", "-n", 3)
    with Image.open("samples.png") as image:
        image.save("copy.jpg")
    result = genkit("whence", "copy.jpg")
    assert result.code == 1 and result.out.count("\n") == 1 and not result.err
    assert "a copy in another format such as JPEG, loses it" in result.out
    assert json.loads(genkit("whence", "copy.jpg", "--json").out)["origin"] is None
    assert genkit("whence", "none.png").code == 3


@pytest.mark.parametrize(
    "command",
    [
        "sample --model vae -n 2 --grid a.png",
        "interpolate --model vae -n 1 --steps 2 --grid a.png",
        "traverse --model vae --dims 0 --steps 2 --grid a.png",
        "reconstruct --model vae -n 2 --grid a.png",
        "edit --model vae --hole top -n 1 --steps 1 --starts 1 --grid a.png",
    ],
)
def test_every_command_that_draws_writes_it_unless_told_not_to(command, genkit, trained):
    assert genkit(*command.split()).code == 0
    assert genkit("whence", "a.png").code == 0
    assert genkit(*command.split(), "--no-metadata").code == 0
    assert genkit("whence", "a.png").code == 1


def test_training_and_evaluation_write_it_unless_told_not_to(genkit):
    for code, more in ((0, ()), (1, ("--no-metadata",))):
        run = Path(genkit("train", "--model", "vae", "--images", 64, "-o", "width=8", *more).out.strip())
        measured = genkit("eval", "--run", run, "-n", 20, "--metrics", "mse", "--no-calibrate", *more)
        assert measured.code == 0, measured.err
        (sheet,) = run.glob("exhibits/*/samples.png")
        for picture in (run / "samples.png", sheet):
            assert genkit("whence", picture).code == code
        if not more:
            shown = genkit("whence", sheet.with_name("reconstructions.png"), "--json").out
            assert json.loads(shown)["source_type"] == "compositeWithTrainedAlgorithmicMedia"  # real images stand there
            assert json.loads(genkit("whence", sheet, "--json").out)["source_type"] == "trainedAlgorithmicMedia"
