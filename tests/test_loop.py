"""The loop: phases in order, exact resume, interrupts, and nothing lost when something breaks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import loop_toys as toys
import pytest
import torch

from genkit import checkpoint, loop, runs, training
from genkit.errors import GenkitError, Interrupted, TrainingError
from genkit.loop import Settings

ALWAYS = Settings(checkpoint_seconds=0.0, keep=3, logs=20, previews=2)


@pytest.fixture
def toy(monkeypatch):
    """Make the registry answer with a toy model, whatever name is asked for."""

    def use(cls):
        from genkit.registry import registry
        from genkit.specs import ModelSpec

        offer = registry().find(ModelSpec, "noise")
        monkeypatch.setattr(type(registry()), "find", lambda self, kind, name: offer)
        monkeypatch.setattr(training, "model_class", lambda name: cls)
        monkeypatch.setattr(runs, "model_class", lambda name: cls)

    return use


def whole(run):
    """All that must be equal at the end of two equal runs."""
    tensors, meta = checkpoint.load(run.newest_checkpoint())
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    log = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
    return tensors, (meta["index"], meta["drawn"], meta["stage"]), log, (run.path / "samples.png").read_bytes()


def assert_equal(one, other):
    assert one[0].keys() == other[0].keys()
    different = [name for name in one[0] if not torch.equal(one[0][name], other[0][name])]
    assert different == []
    assert one[1:] == other[1:]


class Stop(BaseException):
    """What a crash looks like from inside: nothing is saved on the way out."""


@pytest.mark.parametrize("cls", [toys.ToyGAN, toys.TwoStages])
@pytest.mark.parametrize("moment", [1, 7, 15])
def test_a_run_that_died_and_was_resumed_ends_like_one_that_did_not(toy, digits, tmp_path, cls, moment):
    toy(cls)
    settings = {"images": 40 * 32, "batch": 32, "root": tmp_path, "device": "cpu"}
    expected = whole(training.train("toy", digits, settings=Settings(logs=20, previews=2), **settings))
    saved = []

    def die(event):
        if event["kind"] == "checkpoint":
            saved.append(event["path"])
            if len(saved) == moment:
                raise Stop

    with pytest.raises(Stop):
        training.train("toy", digits, settings=ALWAYS, on_event=die, **settings)
    died = next(run for run in runs.find_runs(tmp_path) if not run.finished)
    with (died.path / "log.jsonl").open("a") as log:
        log.write('{"step": 999}\n')
    resumed = training.resume(died, dataset=digits, settings=Settings(logs=20, previews=2))
    assert_equal(whole(resumed), expected)


def test_restoring_an_optimiser_without_its_strides_would_not_do(toy, digits, tmp_path, monkeypatch):
    """The trap: contiguous moments under the fused Adam of a channels_last convolution."""
    toy(toys.ToyGAN)
    settings = {"images": 40 * 32, "batch": 32, "root": tmp_path, "device": "cpu"}
    expected = whole(training.train("toy", digits, settings=Settings(logs=20, previews=2), **settings))

    def die(event):
        if event["kind"] == "checkpoint" and event["images"] > 900:
            raise Stop

    def contiguous(optimizer, tensors, plain, *_):
        state = {}
        for name, tensor in tensors.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        groups = [{**group, "betas": tuple(group["betas"])} for group in plain["groups"]]
        optimizer.load_state_dict({"state": state, "param_groups": groups})

    with pytest.raises(Stop):
        training.train("toy", digits, settings=ALWAYS, on_event=die, **settings)
    died = next(run for run in runs.find_runs(tmp_path) if not run.finished)
    monkeypatch.setattr(checkpoint, "restore_optimizer", contiguous)
    resumed = training.resume(died, dataset=digits, settings=Settings(logs=20, previews=2))
    with pytest.raises(AssertionError):
        assert_equal(whole(resumed), expected)


def test_phases_take_their_turns_and_every_image_drawn_counts(toy, digits, tmp_path):
    made = []

    class Remembered(toys.ToyGAN):
        def __init__(self, options, data):
            super().__init__(options, data)
            made.append(self)

    toy(Remembered)
    run = training.train("toy", digits, images=8 * 64, batch=32, root=tmp_path, device="cpu")
    names = [name for name, index in made[0].turns if index == 0]
    assert names == ["critic", "critic", "penalty", "generator"]
    assert [index for name, index in made[0].turns if name == "penalty"] == [0, 4]
    steps = {index for _, index in made[0].turns}
    assert run.status.images == len(steps) * 64
    assert run.status.images >= 8 * 64


def test_a_loss_that_is_not_finite_names_its_phase_and_keeps_the_last_good_checkpoint(toy, digits, tmp_path):
    toy(toys.Exploding)
    with pytest.raises(TrainingError, match="phase 'generator' is nan at step 20"):
        training.train("toy", digits, images=10_000, batch=32, root=tmp_path, settings=ALWAYS, device="cpu")
    (run,) = runs.find_runs(tmp_path)
    assert run.status.state == "failed"
    tensors, meta = checkpoint.load(run.newest_checkpoint())
    assert meta["index"] == 20
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def test_a_full_disk_stops_the_run_and_keeps_its_checkpoints(toy, digits, tmp_path, monkeypatch):
    toy(toys.ToyGAN)
    real, calls = checkpoint.save_file, []

    def full(*arguments, **keywords):
        calls.append(1)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments, **keywords)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match="No space left on device; the last checkpoint, .*, is whole"):
        training.train("toy", digits, images=10_000, batch=32, root=tmp_path, settings=ALWAYS, device="cpu")
    (run,) = runs.find_runs(tmp_path)
    assert len(run.checkpoints()) == 3
    assert list((run.path / "checkpoints").glob(".*")) == []
    checkpoint.load(run.newest_checkpoint())


def test_a_folder_that_can_not_be_made_is_one_sentence(digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="no run folder can be made"):
        training.train("noise", digits, root=tmp_path / "file")


def test_old_checkpoints_go_and_the_newest_stay(toy, digits, tmp_path):
    toy(toys.ToyGAN)
    run = training.train("toy", digits, images=2_000, batch=32, root=tmp_path, settings=ALWAYS, device="cpu")
    assert len(run.checkpoints()) == ALWAYS.keep


def test_the_first_signal_finishes_the_step_saves_and_says_how_to_go_on(toy, digits, tmp_path):
    toy(toys.ToyGAN)

    def press(event):
        if event["kind"] == "log":
            os.kill(os.getpid(), signal.SIGTERM if event["images"] % 2 else signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="genkit train --resume"):
        training.train("toy", digits, images=100_000, batch=32, root=tmp_path, on_event=press, device="cpu")
    assert signal.getsignal(signal.SIGINT) is before
    (run,) = runs.find_runs(tmp_path)
    assert run.status.state == "interrupted"
    assert checkpoint.load(run.newest_checkpoint())[1]["drawn"] == run.status.images


def test_two_processes_can_not_train_one_run(toy, digits, tmp_path):
    from filelock import FileLock

    toy(toys.ToyGAN)
    run = training.train("toy", digits, images=64, batch=32, root=tmp_path, device="cpu")
    run.write_status(runs.Status("interrupted"))
    with FileLock(run.path / ".lock-0"), pytest.raises(GenkitError, match="being trained by another process"):
        training.resume(run, dataset=digits)


def test_a_changed_data_set_is_refused(toy, digits, tmp_path):
    import dataclasses

    toy(toys.ToyGAN)
    run = training.train("toy", digits, images=64, batch=32, root=tmp_path, device="cpu")
    run.write_status(runs.Status("interrupted"))
    with pytest.raises(GenkitError, match="has changed since"):
        training.resume(run, dataset=dataclasses.replace(digits, sha256="0" * 64))


def test_an_exploding_gradient_is_skipped_and_stops_the_run_after_twenty(toy, digits, tmp_path):
    from dataclasses import replace

    class Wild(toys.ToyGAN):
        def phases(self):
            return [replace(phase, skip_above=1e-12) for phase in super().phases()]

    toy(Wild)
    with pytest.raises(TrainingError, match="exploded 20 times in a row"):
        training.train("toy", digits, images=10_000, batch=32, root=tmp_path, device="cpu")


@pytest.mark.slow
def test_a_run_killed_with_sigkill_and_resumed_ends_bit_identical(tmp_path):
    def genkit(*arguments):
        return [sys.executable, "-c", "from genkit.cli import main; main()", *map(str, arguments)]

    train = ["train", "--model", "gan", "--images", "3200", "--checkpoint-seconds", "0.2", "--runs"]
    done = subprocess.run(genkit(*train, tmp_path / "whole"), check=True, capture_output=True, text=True)
    expected = whole(runs.open_run(Path(done.stdout.strip())))
    process = subprocess.Popen(
        genkit(*train, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(tmp_path.glob("killed/*/*/*/checkpoints/step-*")):
        pass
    process.kill()
    process.wait()
    (killed,) = (path.parent for path in (tmp_path / "killed").glob("*/*/*/run.json"))
    subprocess.run(genkit("train", "--resume", killed), check=True, capture_output=True)
    assert_equal(whole(runs.open_run(killed)), expected)


def test_loop_module_has_no_branch_for_a_family():
    text = Path(loop.__file__).read_text().lower()
    assert "gan" not in text.replace("genkit", "").replace("began", "")
    assert "vae" not in text
