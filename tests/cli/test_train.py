"""genkit train: presets, and what it says at its end."""

from __future__ import annotations

import json

from making import edited

from genkit.files.locks import holding
from genkit.training.api import train
from genkit.training.settings import Settings
from genkit.training.status import ENDED, Status


def test_train_takes_the_preset_of_a_place(genkit, tmp_path):
    trained = genkit("train", "--model", "gan", "--preset", "gpu", "--images", "128")
    assert (trained.code, "--milestones" in trained.err) == (0, False)
    (run,) = (tmp_path / "runs").glob("digits/gan/*/run.json")
    assert json.loads(run.read_text())["batch"] == 128
    refused = genkit("train", "--model", "ppca", "--preset", "gpu")
    assert refused.code == 2 and "ppca has no preset for a GPU" in refused.err
    fixed = genkit("train", "--resume", run.parent, "--preset", "gpu")
    assert fixed.code == 2 and "a run keeps its settings" in fixed.err


def test_train_says_how_to_measure_its_milestones(genkit):
    trained = genkit("train", "--model", "gan", "--images", "128", "--milestones", "1")
    assert trained.err.rstrip().endswith("--milestones")


def test_at_begins_a_run_and_goes_on_with_it_by_the_same_command(genkit, tmp_path):
    command = ("train", "--model", "gan", "--images", "640", "--at", "runs/digits/gan/mine")
    first, again = genkit(*command), genkit(*command)
    assert [(done.code, done.out) for done in (first, again)] == [(0, "runs/digits/gan/mine\n")] * 2
    assert "finished already" in again.err and "finished already" not in first.err
    assert "mine" in genkit("runs").out
    bare = genkit("train", "--at", "runs/digits/gan/mine")
    assert bare.code == 0 and "finished already" in bare.err
    (tmp_path / "runs/digits/gan/mine/status.json").unlink()
    assert genkit("train", "--at", "runs/digits/gan/mine").code == 0
    for other, said in (
        (
            ("--model", "gan", "--images", "64", "--at", "runs/digits/gan/mine"),
            "was begun with budget 640 images, not 64 images",
        ),
        (("--at", "runs/digits/gan/mine", "--seed", "3"), "--seed needs --model"),
        (("--at", "runs/digits/gan/new"), "there is no run in runs/digits/gan/new to go on with: name a model"),
        (("--at", "a", "--resume", "b"), "--resume and --at both name a run"),
    ):
        refused = genkit("train", *other)
        assert (refused.code, said in refused.err) == (2, True), refused.err
        assert "finished already" not in refused.err


def test_torchrun_with_restarts_is_told_to_name_the_folder(genkit, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    told = "torchrun may start this again, which begins another run: --at FOLDER goes on with one"
    assert told in genkit("train", "--model", "gan", "--images", "64").err.splitlines()
    assert told not in genkit("train", "--model", "gan", "--images", "64", "--at", "here").err


def test_profile_prints_where_the_time_went_and_where_its_trace_is(genkit, tmp_path):
    done = genkit("train", "--model", "gan", "--images", "640", "--profile", "2")
    lines = done.err.splitlines()
    (start,) = [place for place, line in enumerate(lines) if line.split()[:2] == ["own", "ms"]]
    trace = tmp_path / done.out.strip() / "profile" / "step-000000003.pt.trace.json.gz"
    assert trace.exists() and lines[start + 11] == f"trace: {trace.relative_to(tmp_path)}"


def test_a_run_of_several_processes_shows_how_fast_they_were(genkit, tmp_path):
    run = tmp_path / genkit("train", "--model", "gan", "--images", "640").out.strip()
    assert "a process" not in genkit("runs", "show", run).out
    edited(run / "run.json", lambda config: config.update(processes=2, batch_norm="averaged"))
    edited(run / "status.json", lambda status: status.update(images=640, seconds=4.0))
    shown = " ".join(genkit("runs", "show", run).out.split())
    assert "processes 2, 160 img/s in all, 80 a process, batch-norm statistics averaged" in shown


def test_all_commands_agree_on_a_run_whose_process_was_killed(genkit, toy_models, digits):
    """Its status.json says "running" for ever; its lock says who is right."""
    run = train("toy-gan", digits, root="runs", device="cpu", settings=Settings(checkpoint_seconds=0.0))
    Status("running", 64, 1.0).write(run.path)
    with holding(run.lock()):
        assert run.status.state == "running" and "running" in genkit("runs").out
        assert "is being trained by another process" in genkit("train", "--resume", run.id).err
        assert "is being trained: stop it first" in genkit("runs", "remove", run.id, "--yes").err
    assert run.status.state == "interrupted"
    listed = genkit("runs").out
    assert "interrupted" in listed and "running" not in listed
    assert json.loads(genkit("runs", "list", "--json").out)[0]["status"]["state"] == "interrupted"
    shown = genkit("runs", "show", run.id).out
    assert f"interrupted: 64 images in 1 s {ENDED}" in " ".join(shown.split())
    genkit("runs", "export", run.id, "run.zip")
    genkit("runs", "import", "run.zip", "--runs", "elsewhere")
    assert "interrupted" in genkit("runs", "--runs", "elsewhere").out
    assert "is partial" in genkit("eval", "--run", run.id, "--count", "100", "--metrics", "mse").err
    assert genkit("train", "--resume", run.id).code == 0
    assert run.status.state == "finished"


def test_generated_images_are_trained_on_only_if_told_to(genkit):
    genkit("train", "--model", "ppca")
    genkit("sample", "--model", "ppca", "-n", 30, "--out", "drawn")
    stopped = genkit("train", "--model", "ppca", "--dataset", "drawn")
    assert stopped.code == 1 and "30 generated, as their metadata say" in stopped.err
    assert stopped.err.count("Error: ") == 1 and "--allow-generated" in stopped.err
    assert "--exclude-generated" not in stopped.err  # it would leave none
    assert genkit("train", "--model", "ppca", "--dataset", "drawn", "--exclude-generated").code == 1
    assert genkit("eval", "--model", "ppca", "--dataset", "drawn").code == 1
    assert genkit("train", "--model", "ppca", "--dataset", "drawn", "--allow-generated").code == 0
    measured = ("-n", "20", "--metrics", "mse", "--no-calibrate")
    assert genkit("eval", "--model", "ppca", "--dataset", "drawn", *measured).code == 0
    shown = genkit("datasets", "show", "drawn")
    assert shown.code == 0 and "30 (30 by genkit, such as 000000.png)" in shown.out
