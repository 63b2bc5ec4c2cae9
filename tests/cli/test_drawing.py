"""Options of drawing on the command line."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from genkit.cli.edit import command as edit_command
from genkit.latent.completion import HOLES


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    from genkit.training.api import train

    root = tmp_path_factory.mktemp("runs")
    train("cgan", "digits", images=320, options={"width": 4}, root=root)
    train("maskgit", "digits", images=1280, options={"channels": 8, "width": 16, "layers": 1, "heads": 2}, root=root)
    return root


def picture(path="samples.png"):
    return Image.open(path).convert("RGB")


def test_a_flag_and_o_mean_the_same_and_move_the_samples(genkit, runs):
    for name, how in (("plain", ()), ("flag", ("--truncation", "0.3")), ("option", ("-o", "truncation=0.3"))):
        result = genkit("sample", "--model", "cgan", "--runs", runs, "-n", 20, "--grid", f"{name}.png", *how)
        assert result.code == 0, result.err
    assert ImageChops.difference(picture("flag.png"), picture("option.png")).getbbox() is None
    assert ImageChops.difference(picture("flag.png"), picture("plain.png")).getbbox() is not None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--guidance", "2"], "cgan does not draw with 'guidance'. (its options of drawing: truncation)"),
        (["--truncation", "x"], "truncation = 'x' is not valid"),
        (["--truncation", "1", "-o", "truncation=2"], "--truncation and -o truncation= are both given"),
    ],
)
def test_what_a_model_does_not_draw_with_is_one_sentence(genkit, runs, arguments, complaint):
    result = genkit("sample", "--model", "cgan", "--runs", runs, *arguments)
    assert result.code == 2
    assert complaint in result.err
    assert not Path("samples.png").exists()


def test_a_token_model_draws_a_class_with_guidance_and_steps(genkit, runs):
    drawing = ("--class", "7", "--guidance", "1.5", "--temperature", "0.9", "--top-k", "5", "--top-p", "0.9")
    result = genkit("sample", "--model", "maskgit", "--runs", runs, "-n", "10", "--steps", "3", *drawing)
    assert result.code == 0, result.err
    assert picture().getbbox() is not None


def test_a_model_that_completes_images_fills_a_hole_of_a_class_and_keeps_the_rest(genkit, runs):
    hole = ("edit", "--model", "maskgit", "--runs", runs, "-n", "3", "--hole", "bottom")
    result = genkit(*hole, "--class", "3", "--out", "filled", "-o", "steps=2", "--json")
    assert result.code == 0, result.err
    assert len(list(Path("filled").glob("*.png"))) == 3
    refused = genkit(*hole, "--starts", "2")
    assert refused.code == 2
    assert "--starts is of searches: maskgit draws what is missing" in refused.err
    enlarged = genkit("edit", "--model", "maskgit", "--runs", runs, "--factor", "2")
    assert enlarged.code == 2, enlarged.out
    assert "no latent space" in enlarged.err
    searched = genkit("edit", "--model", "cgan", "--runs", runs, "--hole", "top", "-o", "truncation=0.5")
    assert searched.code == 2, searched.out
    assert "cgan draws nothing here, it searches: leave -o out" in searched.err


def test_a_run_shows_what_it_draws_with(genkit, runs):
    (run,) = (runs / "digits" / "maskgit").iterdir()
    assert "steps=" in next(line for line in genkit("runs", "show", run).out.splitlines() if "draws with" in line)
    (plain,) = (runs / "digits" / "cgan").iterdir()
    assert "draws with" not in genkit("runs", "show", plain).out


def test_the_command_offers_the_holes_that_there_are():
    (hole,) = (each for each in edit_command.params if each.name == "hole")
    assert tuple(hole.type.choices) == HOLES
    assert "hole" in inspect.signature(edit_command.callback).parameters


def test_json_says_what_was_drawn_and_where_it_is(genkit, runs):
    for how, place in (((), {"grid": "samples.png"}), (("--out", "more"), {"folder": "more"})):
        result = genkit("sample", "--model", "cgan", "--runs", runs, "-n", "4", "--json", *how)
        said = json.loads(result.out)
        assert Path(said.pop("run"), "run.json").exists() and Path(*place.values()).exists()
        assert said == {**place, "images": 4, "prompts": []}
