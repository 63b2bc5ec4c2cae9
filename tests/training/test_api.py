"""Tests genkit.training.api, and genkit.training.endings through it."""

from __future__ import annotations

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from filelock import FileLock
from making import edited
from PIL import Image
from torch import nn
from toy_runs import full_after, only_run
from toys import ToyTrouble

import genkit
from genkit.data import ImageDataset, Split
from genkit.errors import DataError, GenkitError, Interrupted, MissingError, PluginError, TrainingError, UsageError
from genkit.files.locks import holding
from genkit.models import Preset
from genkit.training import checkpoint
from genkit.training.api import find_preset, resume, train
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import find_runs, open_run
from genkit.training.settings import Settings
from genkit.training.status import ENDED, Status


def test_a_run_holds_all_that_it_was_made_of(run_toy, digits):
    run = run_toy("toy-gan", images=128, seed=3)
    assert run.finished
    assert run.status.images == 128
    config = run.config
    assert (config.model, config.dist, config.seed, config.images, config.batch) == ("toy-gan", "toys", 3, 128, 16)
    assert (config.dataset, config.dataset_sha256, config.data.levels) == ("digits", digits.sha256, 17)
    assert run.path.parent == run.path.parents[2] / "digits" / "toy-gan"
    assert (run.path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert genkit.load(run.path).sample(2, generator=torch.Generator()).shape == (2, 1, 8, 8)


def test_the_averages_follow_the_generator_and_differ_from_it(run_toy):
    run = run_toy("toy-gan", images=256)
    tensors, _ = checkpoint.load(run.newest_checkpoint())
    keys = [key.removeprefix("ema/") for key in tensors if key.startswith("ema/")]
    assert keys
    assert all(key.startswith("generator.") for key in keys)
    assert any(not torch.equal(tensors[f"ema/{key}"], tensors[f"model/{key}"]) for key in keys)
    averaged, raw = genkit.load(run), genkit.load(run, raw=True)
    for key in keys:
        assert torch.equal(averaged.state_dict()[key], tensors[f"ema/{key}"])
        assert torch.equal(raw.state_dict()[key], tensors[f"model/{key}"])
    assert not averaged.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 10, "minutes": 1}, "in images or in minutes, not both"),
        ({"images": 0}, "images is 0"),
        ({"minutes": 0}, "above zero"),
        ({"minutes": float("nan")}, "above zero"),
        ({"minutes": float("inf")}, "and finite"),
        ({"batch": 0}, "batch is 0"),
        ({"options": {"kin": "loss"}}, "Did you mean 'kind'"),
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"device": "meta"}, "no device 'meta'"),
        ({"model": "toy-gam"}, "Did you mean 'toy-gan'"),
    ],
)
def test_a_request_that_cannot_be_is_refused_before_a_folder_is_made(run_toy, tmp_path, arguments, message):
    with pytest.raises(UsageError, match=message):
        run_toy(**arguments)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(run_toy, digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="no run folder can be made in .*Not a directory"):
        run_toy(root=tmp_path / "file")


def test_a_run_that_became_read_only_is_one_sentence(run_toy, digits, tmp_path, monkeypatch):
    full_after(monkeypatch, 3)
    with pytest.raises(TrainingError):
        run_toy()
    monkeypatch.undo()
    run = only_run(tmp_path)
    before = {path.name: path.read_bytes() for path in run.checkpoints()}

    def read_only(path, flags, *more, opened=os.open, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(GenkitError, match=r"can't be trained: .*Permission denied"):
        resume(run, dataset=digits)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in run.checkpoints()} == before


def test_two_processes_cannot_train_one_run(run_toy, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss"})
    run = only_run(tmp_path)
    with FileLock(run.path / ".lock-0"), pytest.raises(GenkitError, match="is being trained by another process"):
        resume(run, dataset=digits)


def test_a_run_that_is_finished_is_not_trained_again(run_toy, digits):
    run = run_toy(images=32)
    before = run.newest_checkpoint().read_bytes()
    resume(run, dataset=digits)
    assert run.newest_checkpoint().read_bytes() == before


def test_other_data_than_the_run_began_with_is_refused(run_toy, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss"})
    with pytest.raises(DataError, match="digits is not the data that run"):
        resume(only_run(tmp_path), dataset=dataclasses.replace(digits, sha256="0" * 64))


def test_progress_that_can_not_be_shown_is_said_once_and_stops_nothing(run_toy, caplog, capfd):
    seen = []

    def show(event):
        seen.append(event)
        raise BrokenPipeError(32, "Broken pipe")

    run = run_toy(images=96, on_event=show)
    assert run.finished
    assert len(seen) == 1
    (line,) = (message for message in caplog.messages if "no longer shown" in message)
    assert line == f"the progress of {run.path} is no longer shown: BrokenPipeError: [Errno 32] Broken pipe"


class Vast(ToyTrouble):
    """Too large for any machine."""

    def __init__(self, options, data):
        super().__init__(options, data)
        self.weight = nn.Parameter(torch.empty(options.at))


@pytest.mark.parametrize("width", [2**58, 10**22])
def test_a_model_that_does_not_fit_into_memory_is_one_sentence(run_toy, tmp_path, monkeypatch, width):
    monkeypatch.setattr("toys.ToyTrouble", Vast)
    with pytest.raises(TrainingError, match="does not fit into the memory of cpu: make the batch, .* options smaller"):
        run_toy(options={"at": width})
    assert not (tmp_path / "runs").exists()


def test_a_model_that_does_not_sample_is_refused_before_it_is_trained(run_toy, tmp_path, monkeypatch):
    monkeypatch.delattr(ToyTrouble, "sample")
    with pytest.raises(PluginError, match="ToyTrouble does not sample: define sample"):
        run_toy()
    assert not (tmp_path / "runs").exists()


def test_a_model_of_phases_without_a_loss_takes_no_step(run_toy, monkeypatch):
    monkeypatch.delattr(ToyTrouble, "loss")
    steps = []
    with pytest.raises(PluginError, match="ToyTrouble has phases but no loss: define loss"):
        run_toy(on_event=steps.append)
    assert [event["kind"] for event in steps] == ["failed"]


@pytest.mark.parametrize("message", ["shapes do not match", "value cannot be converted without overflow"])
def test_another_error_of_a_model_is_its_own(run_toy, monkeypatch, message):
    def wrong(self, phase, batch, step):
        raise RuntimeError(message)

    monkeypatch.setattr("toys.ToyTrouble.loss", wrong)
    with pytest.raises(RuntimeError, match=message):
        run_toy()


def test_a_model_that_can_not_be_built_for_the_data_leaves_no_run(toy_models, digits, tmp_path):
    bare = [dataclasses.replace(split, labels=None) for split in (digits.train, digits.test)]
    data = ImageDataset("folder:x", "0" * 64, *bare)
    with pytest.raises(UsageError, match="needs class labels, which this data does not have"):
        train("cgan", data, images=96, root=tmp_path / "runs", device="cpu")
    assert not (tmp_path / "runs").exists()


def small_images(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    return ImageDataset("folder:x", "0" * 64, Split("train", pixels, None), Split("test", pixels[:9], None))


def test_a_batch_too_small_to_normalise_fails_in_a_sentence(tmp_path):
    with pytest.raises(TrainingError, match="can't normalise a batch of 1 at 4x4, .* give --batch 2 or more"):
        train("dcgan", small_images((1, 4, 4)), images=96, batch=1, root=tmp_path / "runs", device="cpu")
    status = only_run(tmp_path).status
    assert (status.state, "--batch 2" in status.reason) == ("failed", True)


@pytest.fixture
def failing(run_toy, monkeypatch):
    """Train a toy whose second loss raises an error; return the events."""

    def go(error):
        def wrong(self, phase, batch, step):
            if step.index:
                raise error
            return (batch.images - self.net.mean).square().mean()

        monkeypatch.setattr("toys.ToyTrouble.loss", wrong)
        events = []
        with pytest.raises(type(error)):
            run_toy(on_event=events.append, settings=Settings())
        return events

    return go


@pytest.mark.parametrize("error", [ValueError("odd"), ZeroDivisionError("odd"), DataError("odd"), KeyError("odd")])
def test_any_failure_ends_the_run_as_failed_with_its_reason_and_observers_are_told(failing, tmp_path, error):
    last = failing(error)[-1]
    status = only_run(tmp_path).status
    assert status.state == "failed"
    assert "odd" in status.reason
    assert (last["kind"], last["stage"], last["step"], last["reason"]) == ("failed", 0, 1, status.reason)


def test_an_interruption_is_told_to_observers(failing, tmp_path):
    last = failing(KeyboardInterrupt())[-1]
    assert only_run(tmp_path).status.state == "interrupted"
    assert (last["kind"], last["stage"], last["step"]) == ("interrupted", 0, 1)


@pytest.mark.parametrize("place", ["genkit.training.api.Loop", "genkit.training.loop.Ema"])
def test_ctrl_c_before_the_first_step_leaves_an_interrupted_run(run_toy, tmp_path, monkeypatch, place):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, pressed)
    events = []
    with pytest.raises(KeyboardInterrupt):
        run_toy(on_event=events.append)
    assert only_run(tmp_path).status.state == "interrupted"
    assert events[-1]["kind"] == "interrupted"


def test_a_run_on_a_folder_goes_on_from_another_folder(toy_models, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for index in range(20):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    run = train("toy-trouble", "folder:photos", images=32, root=tmp_path / "runs", device="cpu")
    assert run.path.parents[1].name == "folder-photos"
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_run_dataset(run).sha256 == run.config.dataset_sha256


def test_a_data_set_made_by_hand_trains(toy_models, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8), np.uint8)
    data = ImageDataset("folder:x", "0" * 64, Split("train", pixels, None), Split("test", pixels[:9], None))
    run = train("toy-gan", data, images=96, root=tmp_path, device="cpu")
    assert run.path.parent == tmp_path / "folder-x" / "toy-gan"
    assert run.config.data.num_classes == 0


@pytest.fixture
def presets(toy_models, monkeypatch):
    """A toy with presets for every place."""
    known = {
        "digits": Preset(images=48, batch=8),
        "default": Preset(images=64, batch=16),
        "gpu": Preset(images=96, batch=24, options={"at": 5}),
    }
    monkeypatch.setattr(ToyTrouble, "presets", known)
    return known


@pytest.mark.parametrize(
    ("dataset", "place", "key"),
    [("digits", "cpu", "digits"), ("mnist", "cpu", "default"), ("digits", "gpu", "gpu"), ("mnist", "gpu", "gpu")],
)
def test_a_preset_is_the_data_sets_own_or_the_default_and_on_a_gpu_that_for_any_data(presets, dataset, place, key):
    assert find_preset("toy-trouble", dataset, place) is presets[key]


def test_presets_are_for_places_that_the_model_has(presets):
    with pytest.raises(UsageError, match="there are presets for 'cpu' and 'gpu', not for 'tpu'"):
        find_preset("toy-trouble", "digits", "tpu")
    with pytest.raises(UsageError, match="toy-gan has no preset for a GPU"):
        train("toy-gan", preset="gpu")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (48, 8, 3)),
        ({"preset": "gpu"}, (96, 24, 5)),
        ({"preset": "gpu", "images": 48, "batch": 16, "options": {"at": 4}}, (48, 16, 4)),
    ],
    ids=["cpu", "gpu", "overridden"],
)
def test_a_run_has_its_presets_budget_batch_and_options_on_any_device(presets, run_toy, given, expected):
    config = run_toy(**given).config
    assert (config.images, config.batch, config.options["at"]) == expected


def test_a_run_without_a_status_is_running_only_while_a_process_has_it(run_toy):
    run = run_toy(images=16)
    (run.path / "status.json").unlink()
    assert run.status == Status("interrupted", reason=ENDED)
    with holding(run.lock()):
        assert run.status == Status("running")


def test_a_run_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no run at"):
        resume(tmp_path / "nothing")


def test_a_qualified_name_makes_the_same_run_as_the_bare_one(run_toy):
    run = run_toy("toys:toy-gan", images=32)
    assert (run.config.model, run.config.dist, run.path.parent.name) == ("toy-gan", "toys", "toy-gan")


def test_nothing_is_written_into_a_run_that_is_named_as_the_folder_of_runs(run_toy, tmp_path):
    run = run_toy(images=32)
    before = sorted(run.path.rglob("*"))
    images = np.zeros((40, 8, 8), dtype=np.uint8)
    with pytest.raises(UsageError, match="is inside the run"):
        train("toy-gan", images, root=run.path, device="cpu")
    assert sorted(run.path.rglob("*")) == before


def test_another_number_of_processes_can_not_go_on_with_a_run(run_toy, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    run = only_run(tmp_path)
    begun = dataclasses.replace(run, config=dataclasses.replace(run.config, processes=4))
    with pytest.raises(UsageError, match="begun by 4 processes, not 1"):
        resume(begun)


def test_milestones_go_with_a_budget_in_images(run_toy):
    with pytest.raises(UsageError, match="milestones are a number of checkpoints of a budget"):
        run_toy("toy-gan", minutes=1.0, milestones=2)


def test_a_run_of_a_missing_device_says_how_it_goes_on(run_toy, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    run = only_run(tmp_path)
    elsewhere = dataclasses.replace(run, config=dataclasses.replace(run.config, device="abacus"))
    with pytest.raises(
        UsageError, match="there is no device 'abacus' here: .*; --device cpu goes on here, without bit-"
    ):
        resume(elsewhere)


def test_a_precision_is_recorded_and_kept_when_resumed(digits, tmp_path):
    runs = {
        precision: train("conv-vae", digits, images=640, precision=precision, root=tmp_path, device="cpu")
        for precision in (None, "float32", "bfloat16")
    }
    assert [run.config.precision for run in runs.values()] == ["float32", "float32", "bfloat16"]
    plain, same, mixed = (checkpoint.load(run.newest_checkpoint(), "model/")[0] for run in runs.values())
    assert all(torch.equal(plain[name], same[name]) for name in plain)
    assert not all(torch.equal(plain[name], mixed[name]) for name in plain)
    assert {tensor.dtype for tensor in mixed.values()} == {tensor.dtype for tensor in plain.values()}

    def stop(event):
        if event["kind"] == "log" and event["images"] == 320:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train("conv-vae", digits, images=640, precision="bfloat16", root=tmp_path / "b", device="cpu", on_event=stop)
    (run,) = find_runs(tmp_path / "b")
    resumed = checkpoint.load(resume(run, dataset=digits).newest_checkpoint(), "model/")[0]
    assert all(torch.equal(mixed[name], resumed[name]) for name in mixed)


def test_a_run_of_before_trains_in_the_precision_of_its_device(digits, tmp_path):
    run = train("conv-vae", digits, images=64, root=tmp_path, device="cpu")
    edited(run.path / "run.json", lambda old: old.pop("precision"))
    (run.path / "status.json").unlink()
    opened = open_run(run.path)
    assert opened.config.precision == ""
    assert resume(opened, dataset=digits).finished
