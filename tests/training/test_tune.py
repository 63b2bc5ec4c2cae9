"""Tests genkit.training.tune, genkit.training.tuning and genkit.training.config: a run adapted to a few images."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import forked
from PIL import Image

from genkit.errors import DataError, GenkitError, MissingError, UsageError
from genkit.files.integrity import sha256_file
from genkit.training import checkpoint
from genkit.training.api import resume, train
from genkit.training.runs import load, open_run
from genkit.training.settings import Settings
from genkit.training.tune import tune
from genkit.training.tuning import open_tuning_data

SMALL = {"images": 256, "batch": 16, "device": "cpu", "settings": Settings(checkpoint_seconds=0.0, metadata=False)}


@pytest.fixture
def mine(tmp_path):
    """A folder of eight small images."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for index in range(8):
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def parent(run_toy):
    return run_toy("toy-gan", images=256)


@pytest.fixture
def tuned(parent, mine, tmp_path):
    """Tune the parent to the folder: tuned(**arguments)."""

    def go(run=parent, dataset=mine, **arguments):
        return tune(run, dataset, **{**SMALL, "root": tmp_path / "runs", **arguments})

    return go


def weights(run):
    return checkpoint.load(run.newest_checkpoint(), ("model/", "ema/"))[0]


def differ(one, other):
    return any(not torch.equal(one[name], other[name]) for name in one)


def test_a_tuned_run_begins_with_its_parents_weights_and_names_it(parent, tuned):
    run = tuned(images=64, settings=Settings(checkpoint_seconds=0.0, keep=9))
    assert run.config.parent == sha256_file(parent.newest_checkpoint()) and run.config.tuning.run == parent.id
    begun = checkpoint.load(run.checkpoints()[0], "model/")[0]
    averaged = load(parent).state_dict()
    assert all(torch.equal(begun[f"model/{name}"], tensor) for name, tensor in averaged.items())
    assert run.finished and differ(begun, weights(run))
    assert run.config.dataset_sha256 == parent.config.dataset_sha256  # so that both are measured alike


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("model", ["toy-gan", "toy-stages"])
def test_a_killed_run_resumes_to_the_same_weights_though_its_parent_is_gone(model, run_toy, tuned, tmp_path):
    parent = run_toy(model, images=256)
    whole = tuned(parent, root=tmp_path / "whole")
    logged = []

    def kill(event):
        logged.append(event["kind"])
        if logged.count("checkpoint") == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    assert forked(lambda: tuned(parent, root=tmp_path / "killed", on_event=kill)) == -signal.SIGKILL
    (path,) = (tmp_path / "killed").glob("*/*/*")
    for file in parent.checkpoints():
        file.unlink()
    assert not open_run(path).finished
    resumed = resume(path, settings=SMALL["settings"])
    assert not differ(weights(resumed), weights(whole))


def test_the_share_of_replay_is_of_the_parents_images(tuned, digits):
    run = tuned(images=64, replay=0.5)
    assert run.config.tuning.rate == 1.0  # the default of all weights
    data = open_tuning_data(run)
    old = {pixels.tobytes() for pixels in np.asarray(digits.train.pixels)}
    known = [pixels.tobytes() in old for pixels in data.train.pixels]
    assert sum(known) == len(known) / 2 == 32
    assert open_tuning_data(run).train.pixels.tobytes() == data.train.pixels.tobytes()


def test_without_the_parents_data_nothing_is_replayed_and_that_is_said(tuned, tmp_path, mine, toy_models, caplog):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for file in mine.iterdir():
        (theirs / file.name).write_bytes(file.read_bytes())
    parent = train("toy-trouble", str(theirs), images=64, batch=16, device="cpu", root=tmp_path / "runs")
    theirs.rename(tmp_path / "moved")
    run = tuned(parent, images=64)
    assert "tuned without replay" in caplog.text and run.config.tuning.replay == 0 and run.finished
    with pytest.raises(GenkitError):  # what is named must be that data
        tuned(parent, images=64, parent_dataset=tmp_path / "nothing")
    again = tuned(parent, images=64, parent_dataset=tmp_path / "moved")
    assert again.config.tuning.replay == 0.9


def test_grey_levels_become_those_of_the_parents_data(tuned, caplog):
    data = open_tuning_data(tuned(images=64, replay=0))
    assert data.train.levels == 17 and data.train.pixels.max() <= 16 and "17 grey levels" in caplog.text


def test_folders_and_files_named_on_the_way_are_recorded_as_whole_paths(tuned, parent, mine, tmp_path, monkeypatch):
    (mine / "table.csv").write_text("".join(["file_name,text\n", *(f"{index}.png,a zorp\n" for index in range(8))]))
    monkeypatch.chdir(tmp_path)
    opening = tuned(
        images=64, dataset_options={"data_root": Path("data"), "labels": Path("mine/table.csv")}
    ).config.tuning.opening
    assert (opening.data_root, opening.labels) == (str(tmp_path / "data"), str(mine / "table.csv"))


def test_changed_images_are_refused(tuned, mine):
    run = tuned(images=64)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(mine / "0.png")
    with pytest.raises(DataError, match="not what the run was tuned to"):
        open_tuning_data(run)


def test_a_tuned_run_without_checkpoints_is_not_trained_from_the_beginning(tuned):
    run = tuned(images=64)
    for file in run.checkpoints():
        file.unlink()
    (run.path / "status.json").unlink()
    with pytest.raises(MissingError, match="lost its checkpoints"):
        resume(run)


def test_a_closed_form_is_fitted_to_old_and_new_images(run_toy, tuned):
    """The last stage with phases is trained; those after it are prepared again."""
    run = tuned(run_toy("toy-stages", images=256))
    assert load(run).prepared.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prompt": "a zorp"}, "reads no prompts: leave --prompt out"),
        ({"method": "lora"}, "names no linear layers for LoRA"),
        ({"replay": 1.0}, "from 0 to below 1"),
        ({"rate": 0.0}, "above zero"),
        ({"rank": 0}, "at least 1"),
        ({"rank": 4}, "is tuned by all its weights: rank and alpha go with --method lora"),
        ({"alpha": 4.0}, "is tuned by all its weights: rank and alpha go with --method lora"),
        ({"alpha": -1.0}, "above zero"),
        ({"dataset_options": {"resolution": 8}}, "no argument 'resolution'"),
    ],
    ids=lambda each: each if isinstance(each, str) else next(iter(each)),
)
def test_what_does_not_fit_is_refused_in_a_sentence(tuned, parent, wrong, said):
    with pytest.raises(UsageError, match=said):
        tuned(**wrong)
    assert list(parent.path.parent.iterdir()) == [parent.path]


def test_a_model_without_training_is_not_tuned(run_toy, tuned):
    with pytest.raises(UsageError, match="not trained step by step"):
        tuned(run_toy("toy-closed"))
