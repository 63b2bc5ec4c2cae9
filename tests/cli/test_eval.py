"""The main job from the command line: train, eval, leaderboard, sample, reconstruct, runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def ppca(tmp_path_factory):
    """A finished closed-form run, made once."""
    from genkit.training import train

    root = tmp_path_factory.mktemp("runs")
    train("ppca", "digits", root=root)
    return root


def test_eval_of_an_untrained_model_says_so_trains_and_measures_and_then_only_measures(genkit):
    first = genkit("eval", "--model", "ppca", "-n", "400")
    assert first.code == 0, first.err
    assert "no trained ppca for digits yet" in first.err
    assert "fid[digits-cnn]" in first.out
    assert "real test" in first.out
    assert len(list(Path("runs").glob("digits/ppca/*/report.html"))) == 1
    for name in ("ppca", "genkit-toolkit:ppca"):
        again = genkit("eval", "--model", name, "-n", "400")
        assert again.code == 0, again.err
        assert "no trained" not in again.err
    assert len(list(Path("runs").glob("digits/ppca/*/run.json"))) == 1


def test_eval_prints_one_json_document(genkit, ppca):
    result = genkit("eval", "--model", "ppca", "-n", "400", "--runs", ppca, "--json", "--metrics", "mse,elbo")
    record = json.loads(result.out)
    assert [score["name"] for score in record["scores"]] == ["mse", "elbo"]
    assert Path(record["path"]).is_file()


def test_two_folders_of_images_are_compared_with_no_model(genkit, tmp_path):
    rng = np.random.default_rng(0)
    for folder, high in (("a", 255), ("b", 120)):
        Path(folder).mkdir()
        for index in range(80):
            Image.fromarray(rng.integers(0, high, (8, 8), dtype=np.uint8)).save(f"{folder}/{index}.png")
    result = genkit("eval", "--samples", "a", "--reference", "folder:b", "--features", "digits-cnn")
    assert result.code == 0, result.err
    assert "fid[digits-cnn]" in result.out
    same = genkit(
        "eval", "--samples", "a", "--reference", "a", "--features", "digits-cnn", "--json", "--metrics", "fid"
    )
    assert same.code == 0, same.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["eval"], 2, "name one thing to measure"),
        (["eval", "--model", "dcgn"], 2, "Did you mean 'dcgan'?"),
        (["eval", "--model", "ppca", "--dataset", "digitz"], 2, "Did you mean 'digits'?"),
        (["eval", "--model", "ppca", "--metrics", "fdi"], 2, "Did you mean 'fid'?"),
        (["eval", "--model", "ppca", "--features", "digits-cn"], 2, "Did you mean 'digits-cnn'?"),
        (["eval", "--run", "nope"], 3, "there is no run 'nope'"),
        (["eval", "--samples", "nowhere", "--reference", "digits"], 2, "no dataset named 'nowhere'"),
        (["eval", "--samples", "x"], 2, "--reference"),
        (["train", "--model", "dcgan", "-o", "widht=3"], 2, "Did you mean 'width'?"),
        (["train", "--model", "dcgan", "-o", "width=0"], 2, "option width"),
        (["train", "--model", "dcgan", "--images", "many"], 2, "500k"),
        (["train", "--model", "dcgan", "--images", "1", "--minutes", "1"], 2, "not both"),
        (["train", "--model", "dcgan", "--device", "tpu9"], 2, "no device 'tpu9'"),
        (["train", "--model", "dcgan", "--config", "gone.toml"], 3, "gone.toml"),
        (["train"], 2, "name a model"),
        (["sample", "--model", "dcgan"], 3, "no finished run"),
        (["reconstruct", "--model", "dcgan"], 3, "no finished run"),
        (["leaderboard"], 3, "no records yet"),
        (["runs", "show", "ab"], 3, "no run 'ab'"),
        (["runs", "import", "gone.zip"], 3, "no file gone.zip"),
    ],
)
def test_bad_requests_get_one_clear_sentence(genkit, arguments, code, words):
    result = genkit(*arguments)
    assert result.code == code, result.err
    assert words in result.err
    assert "Traceback" not in result.err


def test_a_partial_run_is_said_to_be_partial(genkit, tmp_path):
    trained = genkit("train", "--model", "gan", "--images", "128")
    assert trained.code == 0, trained.err
    run = Path(trained.out.strip())
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    result = genkit("eval", "--run", run, "-n", "400", "--no-calibrate")
    assert result.code == 0, result.err
    assert "is partial" in result.err


def test_the_board_ranks_models_and_shows_the_floor_and_ceiling_beside_them(genkit):
    assert genkit("train", "--model", "vae", "--images", "6400").code == 0
    assert genkit("eval", "--model", "vae", "-n", "400").code == 0
    board = json.loads(genkit("leaderboard", "--json").out)
    kinds = {row["model"]: row["kind"] for row in board["rows"]}
    assert kinds == {"vae": "model", "real test": "baseline", "noise": "baseline"}
    assert "| 1 | vae |" in genkit("leaderboard", "--md").out
    assert genkit("leaderboard", "--csv").out.splitlines()[1].startswith("model,vae,1,1,")
    text = genkit("leaderboard").out
    assert "floor" in text
    assert "ceiling" in text


def test_sample_writes_a_grid_or_a_folder_and_repeats_itself(genkit, ppca):
    assert genkit("sample", "--model", "ppca", "--runs", ppca, "--grid", "one.png").code == 0
    assert genkit("sample", "--model", "ppca", "--runs", ppca, "--grid", "two.png").code == 0
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    assert genkit("sample", "--model", "ppca", "--runs", ppca, "--out", "drawn", "-n", "12").code == 0
    files = sorted(Path("drawn").glob("*.png"))
    assert len(files) == 12
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)
    again = genkit("sample", "--model", "ppca", "--runs", ppca, "--out", "drawn", "-n", "12")
    assert again.code == 1
    assert "not empty" in again.err


def test_reconstructions_are_drawn_and_a_model_without_them_is_told_so(genkit, ppca):
    assert genkit("reconstruct", "--model", "ppca", "--runs", ppca).code == 0
    assert Path("reconstructions.png").stat().st_size > 0
    assert genkit("train", "--model", "noise").code == 0
    refused = genkit("reconstruct", "--model", "noise")
    assert refused.code == 2
    assert "does not reconstruct" in refused.err


def test_runs_are_listed_shown_exported_imported_and_removed(genkit):
    run = genkit("train", "--model", "noise").out.strip()
    assert run in genkit("runs").out
    assert json.loads(genkit("runs", "list", "--json").out)[0]["status"]["state"] == "finished"
    assert "noise" in genkit("runs", "show", run).out
    assert genkit("runs", "export", run, "noise.zip").code == 0
    assert genkit("runs", "remove", "-y", run).code == 0
    assert not Path(run).exists()
    back = genkit("runs", "import", "noise.zip")
    assert back.code == 0, back.err
    assert genkit("sample", "--run", back.out.strip()).code == 0
