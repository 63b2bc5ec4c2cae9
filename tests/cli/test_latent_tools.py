"""genkit interpolate, traverse, edit, and sample --labelled.

Tests sample, reconstruct, interpolate, traverse and edit of genkit.cli.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    from genkit.training.api import train

    root = tmp_path_factory.mktemp("runs")
    train("vae", "digits", images=20_000, root=root)
    train("noise", "digits", root=root)
    return root


def test_walks_and_rows_become_pictures(genkit, vae):
    walked = genkit("interpolate", "--model", "vae", "-n", "3", "--steps", "4", "--gif", "w.gif", "--runs", vae)
    assert (walked.code, walked.out.split()) == (0, ["interpolation.png", "w.gif"])
    rows = genkit("traverse", "--model", "vae", "--dims", "3,0", "--steps", "4", "--runs", vae)
    assert rows.code == 0, rows.err
    assert "dimensions from top to bottom: 3, 0" in rows.err
    used = genkit("traverse", "--model", "vae", "-n", "2", "--runs", vae)
    assert used.code == 0, used.err
    assert all(Path(name).stat().st_size > 0 for name in ("interpolation.png", "w.gif", "traversal.png"))


def test_a_hole_is_filled_and_the_rest_kept(genkit, vae, digits):
    pixels = digits.test.uint8(slice(0, 1))[0, 0]
    mask = np.full((8, 8), 255, np.uint8)
    mask[2:5, 2:5] = 0
    Image.fromarray(np.where(mask == 0, 0, pixels).astype(np.uint8)).save("hole.png")
    Image.fromarray(mask).save("mask.png")
    arguments = ("--model", "vae", "--mask", "mask.png", "--steps", "100", "--out", "whole", "--runs", vae)
    done = genkit("edit", "hole.png", *arguments)
    assert done.code == 0, done.err
    with Image.open("whole/hole.png") as found:
        filled = np.asarray(found).astype(int)
    assert (filled[mask == 255] == pixels[mask == 255]).all()
    assert np.abs(filled - pixels)[mask == 0].mean() < pixels[mask == 0].mean() / 2


@pytest.mark.parametrize(
    "arguments",
    [("--factor", "2"), ("--noise", "0.3"), ("--noise", "0.2", "--perceptual", "1", "--features", "pixels")],
)
def test_test_images_are_spoilt_and_mended(genkit, vae, arguments):
    done = genkit("edit", "--model", "vae", "-n", "3", "--steps", "5", *arguments, "--runs", vae)
    assert done.code == 0, done.err
    assert Path("edited.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edit", "--model", "vae"), "name images to edit, or say how to degrade"),
        (("edit", "--model", "vae", "--factor", "3"), "can't be made 3 times smaller"),
        (("edit", "--model", "vae", "no.png"), "there is no no.png"),
        (("reconstruct", "--model", "vae", "no.png"), "there is no no.png: check the path"),
        (("reconstruct", "--model", "vae", ".", "-n", "3"), "--count does not go with images"),
        (("interpolate", "--model", "vae", ".", "-n", "3"), "--walks does not go with images"),
        (("interpolate", "--model", "noise", "no.png"), "there is no no.png"),
        (("sample", "--checkpoint", "no.safetensors"), "there is no checkpoint no.safetensors"),
        (("sample", "--model", "vae", "--checkpoint", "no.safetensors"), "name one of --model NAME, --run RUN and"),
        (("edit", "--model", "vae", "--factor", "2", "--class", "3"), "draws no single class"),
        (("edit", "--model", "vae", "--mask", "no.png", "--factor", "2"), "choose one of --mask, --hole and --factor"),
        (("edit", "--model", "noise", "--factor", "2"), "Noise has no latent space"),
        (("interpolate", "--model", "noise"), "Noise has no latent space"),
        (("interpolate", "--model", "vae", "--class", "3"), "draws no single class"),
        (("traverse", "--model", "vae", "--dims", "a"), "--dims a: give numbers of dimensions"),
        (("sample", "--model", "vae", "--grid", "a.png", "--out", "x"), "--grid can't be given with --out"),
        (("sample", "--model", "vae", "--labelled"), "--labelled goes with --out"),
        (("sample", "--model", "vae", "--labelled", "--out", "x"), "draws no classes: it is not conditional"),
    ],
)
def test_what_can_not_be_is_said_in_a_sentence(genkit, vae, arguments, message):
    refused = genkit(*arguments, "--runs", vae)
    assert refused.code in (2, 3)
    assert message in refused.err
    assert "Traceback" not in refused.err


def test_own_pictures_are_named_in_what_is_printed(genkit, vae):
    Path("photos").mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (30, 20), "grey").save(f"photos/{name}.png")
    done = genkit("reconstruct", "photos", "--model", "vae", "--out", "again", "--json", "--runs", vae)
    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "grid": "reconstructions.png",
        "images": [{"source": f"photos/{name}.png", "file": f"again/{name}.png"} for name in ("one", "two")],
    }
    assert "2 of 2 images, such as photos/one.png, 20x30 in colour, are made 8x8 grey" in done.err
    walked = genkit("interpolate", "photos/one.png", "photos/two.png", "--model", "vae", "--runs", vae)
    assert (walked.code, walked.out) == (0, "interpolation.png\n"), walked.err
    edited = genkit("edit", "photos", "--model", "vae", "--steps", "2", "--json", "--runs", vae)
    assert [each["source"] for each in json.loads(edited.out)["images"]] == ["photos/one.png", "photos/two.png"]


def test_a_checkpoint_stands_for_its_run(genkit, vae):
    (path,) = vae.glob("digits/vae/*/checkpoints/*.safetensors")
    for command in ("sample", "reconstruct", "interpolate", "traverse"):
        by_file = genkit(command, "--checkpoint", path, "--grid", "a.png", "--runs", vae)
        assert by_file.code == 0, by_file.err
        assert genkit(command, "--model", "vae", "--grid", "b.png", "--runs", vae).code == 0
        assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_the_next_step_that_is_named_is_for_the_same_folder_and_data(genkit, tmp_path):
    none = genkit("sample", "--model", "dcgan", "--dataset", "mnist", "--runs", tmp_path / "my runs")
    assert none.code == 3
    assert f"(genkit train --model dcgan --dataset mnist --runs '{tmp_path / 'my runs'}' makes one)" in none.err
    assert "(genkit train --model dcgan makes one)" in genkit("sample", "--model", "dcgan").err
