"""genkit train: presets, and what it says at its end."""

from __future__ import annotations

import json

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
