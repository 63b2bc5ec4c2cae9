"""The main job from the command line: train, eval, leaderboard, sample, reconstruct, runs.

Tests train, eval, evaluation, data, trained, output, options and progress of genkit.cli.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path

import pytest
from making import edited
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
    assert result.err.splitlines() == [f"folder:{Path.cwd()}/pictures: 20 images 8x8 grey; train 18, test 2"]
    assert result.out.startswith("folder-photos · ppca")


@pytest.mark.parametrize("old_run", [False, True], ids=["run", "run without names of classes"])
def test_data_that_was_moved_is_named_by_its_place_in_every_command_that_needs_it(genkit, photos, old_run):
    Path("q").mkdir()
    photos("q/cross", 20)
    photos("q/disc", 15, 99)
    assert genkit("train", "--model", "ppca", "--dataset", "q").code == 0
    (run,) = Path("runs").glob("*/ppca/*")
    assert genkit("eval", "--run", run, "--metrics", "psnr,mse", "-n", "40", "--no-calibrate").code == 0
    (record,) = run.glob("records/*.json")
    if old_run:
        edited(run / "run.json", lambda document: document["data"].pop("class_names"))
    Path("q").rename("q2")
    for command in (
        ["eval", "--run", run, "--metrics", "mse", "-n", "40", "--no-calibrate"],
        ["reconstruct", "--run", run],
        ["traverse", "--run", run],
        ["edit", "--run", run, "--factor", "2", "--steps", "1"],
        ["verify", run],
    ):
        missing = genkit(*command)
        assert missing.code == 3, (command, missing.err)
        assert "--dataset NEWPATH" in missing.err
        found = genkit(*command, "--dataset", "q2")
        assert "q2" in found.err or command[0] == "verify"
        assert found.code in (0, 1 if command[0] == "verify" else 0), (command, found.err)
    by_model = genkit("reconstruct", "--model", "ppca", "--dataset", "q2")
    assert by_model.code == 0, by_model.err
    explained = genkit("explain", record, record, "--dataset", "q2")
    assert explained.code == 0 and "q2: 35 images" in explained.err
    assert genkit("sample", "--run", run, "--dataset", "q2").code == 2


@pytest.mark.parametrize(
    ("command", "flags"),
    [("eval", ["--run"]), ("reconstruct", ["--run"]), ("train", ["--resume"])],
)
def test_the_data_root_of_a_run_is_the_one_that_is_named_now(genkit, ppca, monkeypatch, command, flags):
    def opened(run, dataset=None, *, data_root=None, labels=None, progress=None):
        raise MissingError(f"looked for it in {data_root}")

    (run,) = ppca.glob("digits/ppca/*")
    monkeypatch.setattr("genkit.training.run_data.open_run_dataset", opened)
    monkeypatch.setattr("genkit.training.runs.Run.finished", False)
    assert "looked for it in moved" in genkit(command, *flags, run, "--data-root", "moved").err
    assert genkit(command, *flags, run, "--data-root", "moved").code == 3


@pytest.mark.parametrize("flag", [["--size", "32"], ["--crop", "none"], ["--skip-bad"]])
def test_what_a_run_settles_is_not_asked_for_again(genkit, ppca, flag):
    (run,) = ppca.glob("digits/ppca/*")
    result = genkit("eval", "--run", run, *flag)
    assert result.code == 2
    assert f"{flag[0]} goes with --model; a run's data set is read as it was for training" in result.err


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


def test_ctrl_c_during_calibration_loses_no_record(genkit, ppca, monkeypatch):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("genkit.evaluation.calibration.calibrate", interrupted)
    stopped = genkit("eval", "--model", "ppca", "-n", "40", "--runs", ppca, "--metrics", "mse")
    assert stopped.code == 130
    assert stopped.err.rstrip().endswith(" is kept; the calibration baselines are not measured yet")
    assert Path(stopped.err.partition("record ")[2].partition(" is kept")[0]).is_file()


def test_a_report_that_can_not_be_written_costs_no_record(genkit, ppca, tmp_path):
    root = tmp_path / "kept"
    shutil.copytree(ppca, root)
    (run,) = root.glob("digits/ppca/*")
    (run / "report.html").unlink(missing_ok=True)
    (run / "report.html").mkdir()
    before = set(run.glob("records/*.json"))
    result = genkit("eval", "--run", run, "-n", "60", "--metrics", "mse", "--no-calibrate", "--json")
    assert result.code == 0
    (line,) = [line for line in result.err.splitlines() if "report" in line]
    assert line.startswith(f"the record is kept, but its report is not written: {run / 'report.html'} can't be used: ")
    document = json.loads(result.out)
    assert document["report"] is None
    assert {Path(document["path"])} == set(run.glob("records/*.json")) - before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["eval"], 2, "name one thing to measure"),
        (["eval", "--model", "dcgn"], 2, "Did you mean 'dcgan'?"),
        (["eval", "--model", "ppca", "--dataset", "digitz"], 2, "Did you mean 'digits'?"),
        (["eval", "--model", "ppca", "--metrics", "fdi"], 2, "Did you mean 'fid'?"),
        (["eval", "--model", "ppca", "--features", "digits-cn"], 2, "Did you mean 'digits-cnn'?"),
        (["eval", "--run", "nope"], 3, "there is no run 'nope'"),
        (["eval", "--samples", "my out/", "--reference", "photos/"], 2, "by: genkit compare 'my out/' photos/ ("),
        (["eval", "--samples", "x"], 2, "by: genkit compare x REFERENCE ("),
        (["eval", "--reference", "x", "--model", "vae"], 2, "by: genkit compare SAMPLES x ("),
        (["compare", "nowhere", "digits"], 2, "nor is there a folder or file of images of that"),
        (["compare", "deep/down", "digits"], 3, "deep/down: check the path"),
        (["compare", "x"], 2, "Missing argument 'REFERENCE'"),
        (["compare", "/nope", "digits"], 3, "there is no /nope: check the path"),
        (["eval", "--checkpoint", "gone.safetensors"], 3, "there is no checkpoint gone.safetensors"),
        (
            ["eval", "--checkpoint", __file__],
            2,
            "belongs to no run: leave a checkpoint in its run's checkpoints folder",
        ),
        (["eval", "--model", "ppca", "--metrics", ""], 2, "it is empty"),
        (["eval", "--model", "ppca", "--features", ","], 2, "it is empty"),
        (["train", "--model", "dcgan", "-o", "widht=3"], 2, "Did you mean 'width'?"),
        (["train", "--model", "dcgan", "-o", "width=0"], 2, "option width"),
        (["train", "--model", "dcgan", "--images", "many"], 2, "500k"),
        (["train", "--model", "dcgan", "--images", "1", "--minutes", "1"], 2, "not both"),
        (["train", "--model", "dcgan", "--device", "tpu9"], 2, "no device 'tpu9'"),
        (["train", "--model", "dcgan", "--device", "meta"], 2, "no device 'meta'"),
        (["train", "--model", "dcgan", "-o", "width=99999999999"], 1, "does not fit into the memory of cpu"),
        (["train", "--model", "dcgan", "--minutes", "inf"], 2, "and finite"),
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
    assert [line.partition(":")[0] for line in result.err.splitlines()][1:] == ["after 128 images", "after 256 images"]


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
    edited(run / "status.json", lambda status: status.update(state="interrupted"))
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
    Path(run, "trackers", "tensorboard").mkdir(parents=True)
    assert "trackers     tensorboard" in genkit("runs", "show", run).out
    assert json.loads(genkit("runs", "show", run, "--json").out)["trackers"] == ["tensorboard"]
    assert genkit("runs", "export", run, "noise.zip").code == 0
    assert genkit("runs", "remove", "-y", run).code == 0
    assert not Path(run).exists()
    back = genkit("runs", "import", "noise.zip")
    assert back.code == 0, back.err
    assert genkit("sample", "--run", back.out.strip()).code == 0


def test_options_are_read_under_their_old_names(genkit):
    """From a config file and the command line; what is written has the new names."""
    Path("old.toml").write_text("discriminator_turns = 3\ndiscriminator_rate = 1e-3\nwidth = 4\n")
    made = genkit("train", "--model", "sngan", "--config", "old.toml", "-o", "d_steps=2", "--images", "64")
    assert made.code == 0, made.err
    options = json.loads((Path(made.out.strip()) / "run.json").read_text())["options"]
    assert (options["d_steps"], options["d_learning_rate"], options["width"]) == (2, 1e-3, 4)
    assert "discriminator_turns" not in options
    both = genkit("train", "--model", "sngan", "-o", "discriminator_turns=3", "-o", "d_steps=2")
    assert both.code == 2
    assert "sngan: d_steps and its old name discriminator_turns are both given" in both.err


def test_eval_resumes_an_unfinished_run_whose_options_have_old_names(tmp_path, monkeypatch):
    from genkit.cli.trained import find_or_train
    from genkit.options import original_names, to_json
    from genkit.training import api
    from genkit.training.runs import create, make_model, open_run
    from genkit.training.status import Status

    monkeypatch.setattr(api, "train", lambda *_, **__: pytest.fail("a new run was trained"))
    monkeypatch.setattr(api, "resume", lambda run, **_: run)
    (old,) = (Path(__file__).parents[1] / "fixtures" / "runs" / "digits" / "wgan-gp").iterdir()
    chosen = api.find_preset("wgan-gp", "digits")
    config = open_run(old).config
    options = to_json(make_model("wgan-gp", dict(chosen.options), config.data).options)
    config = dataclasses.replace(config, options=original_names(options), images=chosen.images)
    assert "discriminator_turns" in config.options
    run = create(tmp_path, config)
    run.write_status(Status("interrupted", 0, 0.0))
    newer = create(tmp_path, dataclasses.replace(config, sampling={"truncation": 0.5}, created="2099"))
    newer.write_status(Status("interrupted", 0, 0.0))  # boards would rank another point than the preset's
    found, _ = find_or_train("wgan-gp", "digits", {}, "cpu", tmp_path)
    assert found.path == run.path


def test_a_sweep_prints_a_row_a_point_marks_the_runs_own_and_goes_on(genkit, tmp_path):
    small = ("--metrics", "fid,precision", "-n", "300")
    trained = genkit("train", "--model", "dcgan", "--images", "320", "-o", "width=4", "-o", "truncation=0.8")
    assert trained.code == 0, trained.err
    (run,) = Path("runs").glob("digits/dcgan/*")
    result = genkit("eval", "--run", run, "--sweep", "truncation=0.4,0.8", *small)
    assert result.code == 0, result.err
    assert [line.split()[0] for line in result.out.splitlines()[2:4]] == ["0.4", "*"]
    assert result.out.endswith("next: genkit leaderboard --html board.html\n")
    assert len(list(run.glob("records/*.json"))) == 2
    page = (run / "report.html").read_text()
    assert f"report {run / 'report.html'}" in result.out
    assert "Sweep of truncation" in page and page.count("<circle") == 2 and page.count('class="own"') == 1
    assert "precision[digits-cnn], higher is better" in page and "real test" in page
    assert "not the run's own options" not in page  # the scores above are those that boards rank
    as_json = genkit("eval", "--run", run, "--sweep", "truncation=0.4,0.8,1", "--json", *small)
    sampling = [each["subject"].get("sampling") for each in json.loads(as_json.out)]
    assert {each["report"] for each in json.loads(as_json.out)} == {str(run / "report.html")}
    assert sampling == [{"truncation": 0.4}, {"truncation": 0.8}, None]  # 1 is what GANs drew with before they had it
    assert "drawn with truncation=1.0, not with its run's own options" in genkit("leaderboard", "--why").err
    assert "2 points of sweeps are not ranked" in genkit("leaderboard").err
    assert len(list(run.glob("records/*.json"))) == 3
    one = genkit("eval", "--run", run, "-o", "truncation=0.6", "--no-calibrate", "--json", *small)
    assert json.loads(one.out)["subject"]["sampling"] == {"truncation": 0.6}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--sweep", "truncation"], "write NAME=V1,V2,..., such as guidance=1,1.5,2"),
        (["--sweep", "truncation=1,,2"], "write NAME=V1,V2,..."),
        (["--sweep", "truncation=1", "--sweep", "truncation=2"], "put its values together"),
        (["--sweep", "truncation=1", "-o", "truncation=2"], "give a value that stays the same to --sweep too"),
        (["--sweep", "truncation=1", "--milestones"], "leave --milestones out, or -o and --sweep"),
        (["-o", "truncation=1", "--milestones"], "leave --milestones out, or -o and --sweep"),
        (["--sweep", "guidance=1"], "ppca does not draw with 'guidance'. (it has no options of drawing)"),
        (["-o", "guidance=1"], "ppca does not draw with 'guidance'. (it has no options of drawing)"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_sentence(genkit, ppca, arguments, complaint):
    result = genkit("eval", "--model", "ppca", "--runs", ppca, *arguments)
    assert result.code == 2
    assert complaint in result.err


@pytest.mark.parametrize("wrong", [("-o", "truncation=x"), ("--sweep", "truncation=1,-1"), ("-o", "guidance=2")])
def test_nothing_is_trained_to_be_drawn_from_with_a_wrong_option(genkit, tmp_path, wrong):
    assert genkit("eval", "--model", "dcgan", "--runs", tmp_path / "runs", *wrong).code == 2
    assert not (tmp_path / "runs").exists()


def test_eval_does_not_train_on_the_default_data_a_model_that_is_there_for_other_data(genkit, photos):
    photos("photos", 20)
    assert genkit("train", "--model", "ppca", "--dataset", "folder:photos").code == 0
    refused = genkit("eval", "--model", "ppca", "-n", "40", "--metrics", "mse")
    assert refused.code == 2
    assert "ppca was trained on folder-photos, and not on digits" in refused.err and "--dataset digits" in refused.err
    assert genkit("eval", "--model", "ppca", "--dataset", "digits", "-n", "40", "--metrics", "mse").code == 0


def test_a_wrong_metric_is_named_before_a_model_is_trained(genkit):
    refused = genkit("eval", "--model", "ppca", "--metrics", "fidd")
    assert refused.code == 2 and "no metric named 'fidd'" in refused.err
    assert "training" not in refused.err and not Path("runs").exists()
