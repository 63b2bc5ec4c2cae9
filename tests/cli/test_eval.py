"""The main job from the command line: train, eval, leaderboard, sample, reconstruct, runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genkit.errors import MissingError


@pytest.fixture(scope="module")
def ppca(tmp_path_factory):
    """A finished closed-form run, made once."""
    from genkit.training.api import train

    root = tmp_path_factory.mktemp("runs")
    train("ppca", "digits", root=root)
    return root


def test_eval_of_an_untrained_model_says_so_trains_and_measures_and_then_only_measures(genkit):
    first = genkit("eval", "--model", "ppca", "-n", "400", "--metrics", "fid,mse")
    assert first.code == 0, first.err
    assert "no trained ppca for digits yet" in first.err
    assert "fid[digits-cnn]" in first.out
    (page,) = Path("runs").glob("digits/ppca/*/report.html")
    header = first.out.splitlines()[1]
    assert "real test  noise" in header
    assert "copycat" not in header
    assert "copycat" in page.read_text()
    for name in ("ppca", "genkit-toolkit:ppca"):
        again = genkit("eval", "--model", name, "-n", "400", "--metrics", "fid,mse")
        assert again.code == 0, again.err
        assert "no trained" not in again.err
    assert len(list(Path("runs").glob("digits/ppca/*/run.json"))) == 1


def test_eval_of_a_moved_folder_finds_the_run_by_its_content(genkit, photos):
    photos("photos", 20)
    assert genkit("train", "--model", "ppca", "--dataset", "folder:photos").code == 0
    Path("photos").rename("pictures")
    result = genkit("eval", "--model", "ppca", "--dataset", "folder:pictures", "--metrics", "mse", "-n", "40")
    assert result.code == 0, result.err
    assert result.err == ""
    assert result.out.startswith("folder-photos · ppca")


@pytest.mark.parametrize(
    ("command", "flags"),
    [("eval", ["--run"]), ("reconstruct", ["--run"]), ("train", ["--resume"])],
)
def test_the_data_root_of_a_run_is_the_one_that_is_named_now(genkit, ppca, monkeypatch, command, flags):
    def opened(run, *, data_root=None):
        raise MissingError(f"looked for it in {data_root}")

    (run,) = ppca.glob("digits/ppca/*")
    monkeypatch.setattr("genkit.training.api.open_run_dataset", opened)
    monkeypatch.setattr("genkit.training.runs.Run.finished", False)
    assert "looked for it in moved" in genkit(command, *flags, run, "--data-root", "moved").err
    assert genkit(command, *flags, run, "--data-root", "moved").code == 3


@pytest.mark.parametrize("flag", [["--dataset", "mnist"], ["--size", "32"], ["--crop", "none"], ["--skip-bad"]])
def test_what_a_run_settles_is_not_asked_for_again(genkit, ppca, flag):
    (run,) = ppca.glob("digits/ppca/*")
    result = genkit("eval", "--run", run, *flag)
    assert result.code == 2
    assert f"{flag[0]} goes with --model; a run is measured on its own data set" in result.err


@pytest.mark.parametrize("model", ["ppca", "noise"])
def test_a_closed_form_has_no_budget_to_be_named(genkit, model):
    result = genkit("eval", "--model", model, "-n", "40", "--metrics", "parameters", "--no-calibrate")
    assert f"no trained {model} for digits yet: training its preset (closed form)" in result.err


@pytest.mark.parametrize("file", ["run.json", "status.json"])
def test_one_spoilt_run_hides_no_other(genkit, ppca, tmp_path, file):
    root = tmp_path / "spoilt"
    shutil.copytree(ppca, root)
    (run,) = root.glob("digits/ppca/*")
    bad = shutil.copytree(run, run.parent / "0000")
    (bad / file).write_text('{"images": "abc"}')
    for arguments in (
        ["runs", "list"],
        ["sample", "--model", "ppca"],
        ["eval", "--model", "ppca", "-n", "40", "--metrics", "mse", "--no-calibrate"],
    ):
        result = genkit(*arguments, "--runs", root)
        assert result.code == 0, result.err
        (line,) = [line for line in result.err.splitlines() if line.startswith("left out: ")]
        assert line.startswith(f"left out: {bad / file} can't be read: ")


def test_a_data_set_that_no_run_has_is_answered_with_the_nearest_that_one_has(genkit, ppca):
    for command in ("sample", "reconstruct"):
        result = genkit(command, "--model", "ppca", "--dataset", "digtis", "--runs", ppca)
        assert result.code == 3
        assert "no finished run of ppca on digtis" in result.err
        assert "Did you mean 'digits'?" in result.err


def test_eval_prints_one_json_document(genkit, ppca):
    result = genkit("eval", "--model", "ppca", "-n", "400", "--runs", ppca, "--json", "--metrics", "mse,elbo")
    record = json.loads(result.out)
    assert [score["name"] for score in record["scores"]] == ["mse", "elbo"]
    assert Path(record["path"]).is_file()


@pytest.fixture
def photos():
    """Write small grey images into a folder: photos(folder, count, brightest)."""

    def write(folder, count, high=255):
        Path(folder).mkdir(exist_ok=True)
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, high, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{index}.png")

    return write


def test_two_folders_of_images_are_compared_with_no_model(genkit, photos):
    photos("a", 80)
    photos("b", 80, 120)
    result = genkit("eval", "--samples", "a", "--reference", "folder:b", "--features", "digits-cnn")
    assert result.code == 0, result.err
    assert "fid[digits-cnn]" in result.out
    same = genkit(
        "eval", "--samples", "a", "--reference", "a", "--features", "digits-cnn", "--json", "--metrics", "fid"
    )
    assert same.code == 0, same.err
    Path("genkit.toml").write_text("[eval]\ncount = 70\nmetrics = ['fid']")
    fewer = genkit("eval", "--samples", "a", "--reference", "b", "--features", "digits-cnn", "--json")
    assert json.loads(fewer.out)["protocol"]["samples"]["count"] == 70


def test_after_ctrl_c_the_same_command_goes_on_as_is_said(genkit, photos, monkeypatch):
    from genkit.features.extractor import Extractor

    seen, extract = [], Extractor.__call__

    def interrupted(self, images, *tick):
        if len(seen) == 1:
            seen.append(0)
            raise KeyboardInterrupt
        seen.append(len(images))
        return extract(self, images, *tick)

    photos("a", 300)
    monkeypatch.setattr(Extractor, "__call__", interrupted)
    command = ("eval", "--samples", "a", "--reference", "a", "--features", "random-conv", "--metrics", "kid")
    stopped = genkit(*command)
    assert stopped.code == 130
    assert stopped.err.endswith("stopped; the same command goes on with what was seen so far\n")
    assert genkit(*command).code == 0
    assert seen == [250, 0, 50, 250, 50]


def test_ctrl_c_during_calibration_loses_no_record(genkit, ppca, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("genkit.evaluation.calibration.calibrate", interrupted)
    stopped = genkit("eval", "--model", "ppca", "-n", "40", "--runs", ppca, "--metrics", "mse")
    assert stopped.code == 130
    assert stopped.err.rstrip().endswith(" is kept; what calibrates it is not measured yet")
    assert Path(stopped.err.partition("record ")[2].partition(" is kept")[0]).is_file()


def test_copies_of_one_image_are_samples_too(genkit, photos):
    photos("real", 80)
    Path("copies").mkdir()
    for index in range(30):
        shutil.copy("real/0.png", f"copies/{index}.png")
    how = ("--features", "random-conv", "--metrics", "fid,vendi", "--json")
    collapsed = genkit("eval", "--samples", "copies", "--reference", "real", *how)
    assert collapsed.code == 0, collapsed.err
    scores = {score["metric"]: score for score in json.loads(collapsed.out)["scores"]}
    assert scores["vendi"]["value"] == pytest.approx(1)
    against = genkit("eval", "--samples", "real", "--reference", "copies", *how)
    assert against.code == 0, against.err


@pytest.mark.parametrize(("samples", "reference"), [("one", "real"), ("real", "one")])
def test_a_single_image_is_refused_before_anything_is_extracted(genkit, photos, monkeypatch, samples, reference):
    photos("real", 20)
    photos("one", 1)
    monkeypatch.setattr("genkit.features.extractor.Extractor.__call__", lambda *_: pytest.fail("features of nothing"))
    how = ("--features", "random-conv", "--metrics", "fid")
    refused = genkit("eval", "--samples", samples, "--reference", reference, *how)
    assert refused.code == 1
    assert "one holds a single image: sets of two or more are compared" in refused.err


def test_images_of_which_nothing_asked_for_can_be_measured_leave_no_record(genkit, photos):
    photos("a", 20)
    refused = genkit("eval", "--samples", "a", "--reference", "a", "--metrics", "mse,elbo")
    assert refused.code == 1
    assert "nothing that was asked for can be measured of a (mse: a does not reconstruct; elbo: " in refused.err
    assert not list(Path().glob("**/records/*.json"))


def test_images_of_other_shapes_than_the_reference_are_said_to_be_so(genkit, photos):
    photos("a", 20)
    how = ("--features", "random-conv", "--metrics", "kid")
    assert "channels x height x width" not in genkit("eval", "--samples", "a", "--reference", "a", *how).err
    np.savez("colour.npz", images=np.random.default_rng(0).integers(0, 256, (20, 9, 8, 3), dtype=np.uint8))
    other = genkit("eval", "--samples", "colour.npz", "--reference", "a", *how)
    assert "is 3x9x8 and " in other.err
    words = "(channels x height x width), grey seen as three equal channels: random-conv keeps sizes"
    assert f" 1x8x8 {words}" in other.err
    np.savez("tall.npz", images=np.random.default_rng(0).integers(0, 256, (20, 9, 8), dtype=np.uint8))
    assert "width): random-conv keeps sizes" in genkit("eval", "--samples", "tall.npz", "--reference", "a", *how).err
    refused = genkit("eval", "--samples", "colour.npz", "--reference", "digits", "--metrics", "kid")
    assert (refused.code, "keeps sizes" in refused.err) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["eval"], 2, "name one thing to measure"),
        (["eval", "--model", "dcgn"], 2, "Did you mean 'dcgan'?"),
        (["eval", "--model", "ppca", "--dataset", "digitz"], 2, "Did you mean 'digits'?"),
        (["eval", "--model", "ppca", "--metrics", "fdi"], 2, "Did you mean 'fid'?"),
        (["eval", "--model", "ppca", "--features", "digits-cn"], 2, "Did you mean 'digits-cnn'?"),
        (["eval", "--run", "nope"], 3, "there is no run 'nope'"),
        (["eval", "--samples", "nowhere", "--reference", "digits"], 2, "nor is there a folder, .zip or .npz of that"),
        (["eval", "--samples", "deep/down", "--reference", "digits"], 3, "deep/down: check the path"),
        (["eval", "--samples", "x"], 2, "--reference"),
        (["eval", "--samples", "/nope", "--reference", "digits"], 3, "there is no /nope: check the path"),
        (["eval", "--samples", "x", "--reference", "digits", "--dataset", "mnist"], 2, "--dataset goes with a model"),
        (["eval", "--samples", "x", "--reference", "digits", "--raw"], 2, "--raw goes with a model"),
        (["eval", "--checkpoint", "gone.safetensors"], 3, "there is no checkpoint gone.safetensors"),
        (["eval", "--checkpoint", __file__], 2, "belongs to no run: a checkpoint is measured in its run's checkpoints"),
        (["eval", "--model", "ppca", "--metrics", ""], 2, "it names nothing"),
        (["eval", "--model", "ppca", "--features", ","], 2, "it names nothing"),
        (["train", "--model", "dcgan", "-o", "widht=3"], 2, "Did you mean 'width'?"),
        (["train", "--model", "dcgan", "-o", "width=0"], 2, "option width"),
        (["train", "--model", "dcgan", "--images", "many"], 2, "500k"),
        (["train", "--model", "dcgan", "--images", "1", "--minutes", "1"], 2, "not both"),
        (["train", "--model", "dcgan", "--device", "tpu9"], 2, "no device 'tpu9'"),
        (["train", "--model", "dcgan", "--device", "meta"], 2, "no device 'meta'"),
        (["train", "--model", "dcgan", "-o", "width=99999999999"], 1, "does not fit into the memory of cpu"),
        (["train", "--model", "dcgan", "--minutes", "inf"], 2, "have an end"),
        (["train", "--model", "dcgan", "--checkpoint-seconds", "nan"], 2, "give a finite number"),
        (["train", "--resume", "x", "--size", "8"], 2, "--size can't be given with --resume"),
        (["train", "--model", "dcgan", "--config", "gone.toml"], 3, "gone.toml"),
        (["train"], 2, "name a model"),
        (["sample", "--model", "dcgan"], 3, "no finished run"),
        (["sample", "--run", "ab", "--dataset", "digits"], 2, "--dataset goes with --model"),
        (["reconstruct", "--model", "dcgan"], 3, "no finished run"),
        (["leaderboard"], 3, "no records yet"),
        (["runs", "show", "ab"], 3, "no run 'ab'"),
        (["runs", "remove", "ab"], 2, "give --yes"),
        (["runs", "import", "gone.zip"], 3, "no file gone.zip"),
    ],
)
def test_bad_requests_get_one_clear_sentence(genkit, arguments, code, words):
    result = genkit(*arguments)
    assert result.code == code, result.err
    assert words in result.err
    assert "Traceback" not in result.err


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """A finished run with two milestones and averages, measured nowhere."""
    from genkit.training.api import train

    root = tmp_path_factory.mktemp("runs")
    train("gan", "digits", images=384, batch=64, milestones=2, root=root, device="cpu")
    return root


def measured_on_the_way(genkit, way, tmp_path, *flags):
    """The result, and the records in the order in which they were written."""
    from genkit.results import store

    root = Path(shutil.copytree(way, tmp_path / "way"))
    (run,) = root.glob("digits/gan/*")
    result = genkit("eval", "--run", run, "-n", "60", "--no-calibrate", "--milestones", *flags)
    return result, store.read(run).records


def test_milestones_are_measured_after_the_last_checkpoint_of_the_same_weights(genkit, way, tmp_path):
    result, found = measured_on_the_way(genkit, way, tmp_path, "--raw", "--metrics", "fid")
    assert result.code == 0, result.err
    assert [(each.training.images, each.training.finished) for each in found] == [
        (384, True),
        (128, False),
        (256, False),
    ]
    assert {each.training.weights for each in found} == {"raw"}
    assert [line.partition(":")[0] for line in result.err.splitlines()] == ["after 128 images", "after 256 images"]


def test_milestones_are_measured_by_what_the_model_has(genkit, way, tmp_path):
    result, found = measured_on_the_way(genkit, way, tmp_path, "--metrics", "mse,fid")
    assert result.code == 0, result.err
    assert [each.scores[0].metric for each in found] == ["fid"] * 3


def test_milestones_without_a_metric_are_one_sentence(genkit, way, tmp_path):
    result, found = measured_on_the_way(genkit, way, tmp_path, "--metrics", "mse")
    assert result.code == 2
    assert "the milestones have none of the metrics mse (gan does not reconstruct)" in result.err
    assert len(found) == 1


def test_a_run_without_milestones_is_told_so_before_anything_is_measured(genkit, ppca):
    (run,) = ppca.glob("digits/ppca/*")
    before = list(run.glob("records/*"))
    result = genkit("eval", "--run", run, "-n", "60", "--no-calibrate", "--milestones", "--metrics", "mse")
    assert result.code == 3
    assert "has no milestones: genkit train --milestones keeps them" in result.err
    assert list(run.glob("records/*")) == before


def test_a_partial_run_is_said_to_be_partial(genkit, tmp_path):
    trained = genkit("train", "--model", "gan", "--images", "128")
    assert trained.code == 0, trained.err
    run = Path(trained.out.strip())
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    result = genkit("eval", "--run", run, "-n", "400", "--no-calibrate")
    assert result.code == 0, result.err
    assert "is partial" in result.err


def test_the_board_ranks_models_and_shows_what_calibrates_it_beside_them(genkit):
    assert genkit("train", "--model", "vae", "--images", "6400").code == 0
    assert genkit("eval", "--model", "vae", "-n", "400", "--metrics", "fid,kid").code == 0
    board = json.loads(genkit("leaderboard", "--json").out)
    kinds = {row["model"]: row["kind"] for row in board["rows"]}
    baselines = ("real test", "jpeg", "blurred", "copycat", "ppca", "noise")
    assert kinds == {"vae": "model", **dict.fromkeys(baselines, "baseline")}
    assert "| 1 | vae |" in genkit("leaderboard", "--md").out
    assert genkit("leaderboard", "--csv").out.splitlines()[1].startswith("model,vae,1,1,")
    assert "floor" in genkit("leaderboard").out


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
