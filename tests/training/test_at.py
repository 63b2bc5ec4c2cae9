"""A run in a folder that the user names."""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest
from toy_runs import ended, same

from genkit.errors import DataError, GenkitError, Interrupted, UsageError
from genkit.files.leases import use_leases
from genkit.files.locks import holding, lock_at
from genkit.training.api import train
from genkit.training.runs import find_runs, open_run
from genkit.training.settings import Settings


@pytest.fixture
def train_at(toy_models, digits, tmp_path):
    settings = Settings(checkpoint_seconds=0.0, keep=3, metadata=False)

    def go(folder="run", model="toy-gan", dataset=digits, **arguments):
        return train(model, dataset, at=tmp_path / folder, device="cpu", settings=settings, **arguments)

    return go


def stop_at(step):
    def watch(event):
        if event["kind"] == "log" and event["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return watch


def test_the_same_call_begins_a_run_goes_on_with_it_and_leaves_it_when_finished(train_at, tmp_path):
    whole = train_at("whole")
    assert whole.path == tmp_path / "whole"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "slurm-17.out").write_text("what a scheduler writes there")
    for step in (3, 7):
        with pytest.raises(Interrupted):
            train_at(on_event=stop_at(step))
    run = train_at()
    assert run.finished and same(ended(run), ended(whole))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    train_at()
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_it_is_listed_where_it_lies_in_a_folder_of_runs(train_at, tmp_path):
    run = train_at("runs/digits/toy-gan/mine", images=32)
    (found,) = find_runs(tmp_path / "runs")
    assert (found.path, found.id) == (run.path, "mine")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"images": 96}, "with budget 64 images, not 96 images"),
        ({"images": None, "minutes": 2.0}, "with budget 64 images, not 2.0 minutes"),
        ({"seed": 1}, "with seed 0, not 1"),
        ({"batch": 8}, "with batch 16, not 8"),
        ({"model": "toy-trouble"}, "with model toy-gan, not toy-trouble"),
        ({"precision": "bfloat16"}, "with precision float32, not bfloat16"),
    ],
)
def test_another_run_is_not_gone_on_with(train_at, other, said):
    run = train_at(images=64)
    with pytest.raises(UsageError, match=f"{run.path} was begun {said}: give what it was begun with"):
        train_at(**{"images": 64, **other})


def test_another_option_or_other_data_is_not_gone_on_with(train_at):
    train_at(model="toy-trouble", options={"kind": "log", "at": 3}, images=64)
    with pytest.raises(UsageError, match="was begun with -o at 3, not 4"):
        train_at(model="toy-trouble", options={"kind": "log", "at": 4}, images=64)
    other = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    with pytest.raises(DataError, match="is not the data that run .* was trained on"):  # before other settings
        train_at(model="toy-trouble", options={"kind": "log", "at": 3}, images=32, dataset=other)


def test_a_folder_that_can_hold_no_run_is_refused(train_at, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        train_at("file")
    train_at("runs/digits/toy-gan/one", images=32)
    for folder in ("runs", "runs/digits", "runs/digits/toy-gan"):
        with pytest.raises(UsageError, match="is a folder of runs: name one in it"):
            train_at(folder)
    for folder in ("checkpoints", "samples/x"):
        with pytest.raises(UsageError, match="is inside the run .*/one: name a folder that is in no run"):
            train_at(f"runs/digits/toy-gan/one/{folder}")
    run = train_at("lost", images=32)
    (run.path / "run.json").unlink()
    with pytest.raises(DataError, match="has checkpoints but no run.json"):
        train_at("lost")


def test_a_run_that_another_process_trains_is_left_alone(train_at, tmp_path):
    with pytest.raises(Interrupted):
        train_at(on_event=stop_at(2))
    run = open_run(tmp_path / "run")
    with holding(run.lock()), pytest.raises(GenkitError, match="is being trained by another process"):
        train_at()
    shutil.copytree(run.path, tmp_path / "new", ignore=shutil.ignore_patterns("run.json", "checkpoints"))
    with holding(open_run(run.path).lock()):
        assert train_at("new", images=32).finished  # another folder is another run


def test_two_that_begin_at_once_begin_one_run_by_a_lease_where_the_folder_has_those(train_at, tmp_path):
    use_leases(tmp_path, "its file system has no locks")
    (tmp_path / "run").mkdir()
    with holding(lock_at(tmp_path / "run" / ".lock-0")):
        with pytest.raises(GenkitError, match="is being trained by another process"):
            train_at()
        assert not (tmp_path / "run" / "run.json").exists()
