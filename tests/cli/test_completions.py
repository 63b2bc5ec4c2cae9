"""Shell completion of runs, data sets and commands."""

from __future__ import annotations

import pytest


@pytest.fixture
def some_runs(genkit, tmp_path):
    """Two run folders, one of them with a spoilt run.json: completion does not look inside."""
    for name in ("runs/digits/dcgan/ab12", "runs/digits/vae/ab34", "other/mnist/vae/cd56"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{")


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "--run"],
        ["sample", "--run"],
        ["reconstruct", "--run"],
        ["train", "--resume"],
        ["runs", "show"],
        ["runs", "remove"],
        ["runs", "export"],
    ],
    ids=" ".join,
)
def test_runs_complete_by_id_and_by_path(completed, some_runs, arguments):
    assert completed(arguments, "") == ["ab12", "ab34"]
    assert completed(arguments, "ab3") == ["ab34"]
    assert completed(arguments, "runs/digits/v") == ["runs/digits/vae/ab34"]


def test_completion_looks_in_the_folder_of_runs_that_is_named(completed, some_runs, monkeypatch):
    assert completed(["eval", "--runs", "other", "--run"], "") == ["cd56"]
    assert completed(["runs", "--runs", "other", "show"], "") == ["cd56"]
    assert completed(["leaderboard", "--dataset"], "") == ["digits"]
    monkeypatch.setenv("GENKIT_RUNS", "other")
    assert completed(["eval", "--run"], "") == ["cd56"]
    assert completed(["sample", "--dataset"], "m") == ["mnist"]


def test_a_group_completes_to_its_commands(completed, genkit):
    assert completed(["runs"], "") == ["export", "import", "list", "remove", "show"]
