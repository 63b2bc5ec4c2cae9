"""genkit train: presets, and what it says at its end."""

from __future__ import annotations

import json


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
