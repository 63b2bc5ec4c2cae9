"""Tests genkit.cli.tune and genkit.cli.run_page: an ordinary run comes out, measured beside its parent."""

from __future__ import annotations

import json
from pathlib import Path


def test_a_tuned_run_is_a_run_of_its_own(genkit, photos):
    photos("mine", 8)
    first = genkit("train", "--model", "gan", "--images", "256")
    parent = first.out.strip()
    made = genkit("tune", "--run", parent, "--dataset", "folder:mine", "--images", "128", "--replay", "0.25")
    assert made.code == 0, made.err
    assert "to 8 images by all weights" in made.err and "17 grey levels" in made.err
    run = Path(made.out.strip())
    config = json.loads((run / "run.json").read_text())
    assert config["tuning"]["run"] == Path(parent).name and config["tuning"]["replay"] == 0.25 and config["parent"]
    assert Path(config["tuning"]["dataset"].removeprefix("folder:")).is_absolute()
    assert f"from run {Path(parent).name} to 8 images of folder:" in genkit("runs", "show", run.name).out
    assert genkit("sample", "--run", run, "-n", "4").code == 0
    assert "is from" not in genkit("whence", "samples.png").err and genkit("whence", "samples.png").code == 0
    assert f"run {parent}" in genkit("sample", "--model", "gan", "-n", "4").err  # not the newest, which was tuned
    measured = ("--metrics", "fid", "-n", "100", "--no-calibrate")
    alone = genkit("eval", "--run", run, *measured)
    assert "measure the parent in the same way" in alone.err and "parent" not in alone.out
    assert genkit("eval", "--run", parent, *measured).code == 0
    again = genkit("eval", "--run", run, *measured)
    assert f"parent {Path(parent).name}" in again.out and "measure the parent" not in again.err
    assert "100 samples against the 8 new images" in again.out and "authpct" in again.out
    page = (run / "report.html").read_text()
    assert "<h2>New images</h2>" in page and f"parent {Path(parent).name}" in page
    assert "New images" not in (Path(parent) / "report.html").read_text()
    record = json.loads(min((run / "records").glob("*.json")).read_text())
    assert record["training"]["tuned"]["parent"] == config["parent"]
    assert "mine" not in json.dumps(record["training"])
    board = genkit("leaderboard").out
    assert f"tuned from {Path(parent).name}, 8, all weights" in board and "not tuned" in board


def test_what_is_missing_is_said(genkit):
    assert "--dataset" in genkit("tune", "--run", "x").err
    assert genkit("tune", "--run", "x", "--dataset", "digits").code == 3
