from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from torch import nn
from toys import ToyTrouble, Trouble

import genkit
from genkit.cli import main
from genkit.data import ImageDataset, Split
from genkit.devices import pick_device
from genkit.errors import DataError, GenkitError, MissingError, TrainingError, UsageError
from genkit.models import GenerativeModel, Phase, Preset
from genkit.plugin import hookimpl
from genkit.registry.discovery import registry
from genkit.training import checkpoint
from genkit.training.api import find_preset, open_run_dataset, resume, train
from genkit.training.loop import Settings
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run, Status, find_runs

EVERY_STEP = Settings(checkpoint_seconds=0.0, keep=3)


@pytest.fixture
def run_toy(toy_models, digits, tmp_path):
    def go(model="toy-trouble", **arguments):
        return train(model, digits, **{"root": tmp_path / "runs", "device": "cpu", "settings": EVERY_STEP, **arguments})

    return go


def lines(run):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in (run.path / "log.jsonl").read_text().splitlines()]


def only_run(tmp_path):
    (run,) = find_runs(tmp_path / "runs")
    return run


@pytest.mark.parametrize("place", ["genkit.training.checkpoint.load", "genkit.training.loop.PhaseRunner"])
def test_ctrl_c_before_the_first_step_of_a_resumed_run_leaves_it_interrupted(
    run_toy, digits, tmp_path, monkeypatch, place
):
    def stop(event):
        if event["kind"] == "checkpoint":
            raise KeyboardInterrupt

    def pressed(*_, **__):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_toy("toy-gan", on_event=stop)
    run = only_run(tmp_path)
    assert run.status.state == "interrupted"
    run.write_status(Status("running", 16))
    with monkeypatch.context() as patched:
        patched.setattr(place, pressed)
        with pytest.raises(KeyboardInterrupt):
            resume(run, dataset=digits)
    assert (run.status.state, run.status.images) == ("interrupted", 16)
    assert resume(run, dataset=digits).finished


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


def test_images_seen_counts_every_image_drawn_and_repeats_draw_their_own(run_toy, monkeypatch):
    drawn = []
    run_phase = PhaseRunner.run

    def watch(self, phase, batch, step):
        drawn.append((step.index, phase.name, step.images_seen, tuple(batch.indices.tolist())))
        run_phase(self, phase, batch, step)

    monkeypatch.setattr(PhaseRunner, "run", watch)
    run = run_toy("toy-gan", images=160)
    first = [entry for entry in drawn if entry[0] == 0]
    assert [(name, seen) for _, name, seen, _ in first] == [
        ("critic", 16),
        ("critic", 32),
        ("penalty", 32),
        ("generator", 32),
    ]
    assert first[0][3] == first[2][3] == first[3][3]
    assert not set(first[0][3]) & set(first[1][3])
    assert [index for index, name, *_ in drawn if name == "penalty"] == [0, 4]
    assert run.status.images == 160 == 32 * (1 + drawn[-1][0])


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


def test_a_shared_optimiser_is_saved_once(run_toy):
    _, meta = checkpoint.load(run_toy("toy-gan", images=64).newest_checkpoint())
    assert len(meta["optimizers"]) == 2


def test_the_last_checkpoints_are_kept(run_toy):
    run = run_toy(images=160)
    assert [path.name for path in run.checkpoints()] == [f"step-{index:09d}.safetensors" for index in (8, 9, 10)]


def test_a_model_without_phases_needs_no_budget(run_toy, digits):
    run = run_toy("toy-closed")
    assert run.finished
    mean = genkit.load(run).mean
    assert torch.allclose(mean, digits.train.images(slice(None)).mean(0))


def test_a_budget_in_minutes_ends(run_toy):
    run = run_toy(minutes=0.001)
    assert run.finished
    assert run.config.images is None
    assert run.status.images > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 10, "minutes": 1}, "in images or in minutes, not both"),
        ({"images": 0}, "above zero"),
        ({"minutes": 0}, "above zero"),
        ({"minutes": float("nan")}, "above zero"),
        ({"minutes": float("inf")}, "have an end"),
        ({"batch": 0}, "at least one image"),
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


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_checkpoints_that_never_come_are_refused(seconds):
    with pytest.raises(UsageError, match="seconds between checkpoints"):
        Settings(checkpoint_seconds=seconds)


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(run_toy, tmp_path):
    with pytest.raises(TrainingError) as failure:
        run_toy(options={"kind": "loss", "at": 3})
    run = only_run(tmp_path)
    newest = run.newest_checkpoint()
    assert str(failure.value) == f"the loss of phase 'fit' is nan at step 3; the last checkpoint, {newest}, is whole"
    assert newest.name == "step-000000003.safetensors"
    assert run.status == dataclasses.replace(
        run.status, state="failed", reason="the loss of phase 'fit' is nan at step 3"
    )
    assert all(t.isfinite().all() for t in checkpoint.load(newest)[0].values())


def test_a_failure_before_the_first_checkpoint_says_so(run_toy):
    with pytest.raises(TrainingError, match="there is no checkpoint yet"):
        run_toy(options={"kind": "loss", "at": 0})


def test_weights_that_are_not_finite_never_reach_a_checkpoint(run_toy, tmp_path):
    with pytest.raises(TrainingError, match="the gradient of phase 'fit' was not finite before step 4; the last"):
        run_toy(options={"kind": "weights", "at": 3})
    for path in only_run(tmp_path).checkpoints():
        assert all(t.isfinite().all() for t in checkpoint.load(path)[0].values())


def test_a_gradient_that_is_not_finite_is_caught_by_clipping(run_toy):
    with pytest.raises(TrainingError, match="the gradient of phase 'fit' is not finite at step 2"):
        run_toy(options={"kind": "clip", "at": 2})


def test_skipped_turns_are_counted_across_a_resume(run_toy, digits, tmp_path, monkeypatch):
    with pytest.raises(TrainingError, match="exploded 20 times in a row, at step 22"):
        run_toy(options={"kind": "exploding", "at": 3})
    run = only_run(tmp_path)
    assert checkpoint.load(run.newest_checkpoint())[1]["skips"] == {"fit": 19}
    with pytest.raises(TrainingError, match="exploded 20 times in a row, at step 22"):
        resume(run, dataset=digits, settings=EVERY_STEP)


def test_the_log_is_strict_json_whatever_is_logged(run_toy):
    logged = lines(run_toy(options={"kind": "log", "at": 3}, images=96))
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]
    assert [line.get("strange") for line in logged] == [1.0, 1.0, 1.0, None, None, None]


def full_after(monkeypatch, saves):
    """A disk that is full after a number of checkpoints."""
    save_file = checkpoint.save_file
    count = 0

    def full(tensors, path, metadata):
        nonlocal count
        count += 1
        if count > saves:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device", path)
        save_file(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)


def test_a_full_disk_loses_no_earlier_checkpoint(run_toy, digits, tmp_path, monkeypatch):
    full_after(monkeypatch, 4)
    with pytest.raises(
        TrainingError, match=r"can't be written: No space left on device; the last checkpoint, .*, is whole$"
    ):
        run_toy("toy-gan")
    monkeypatch.undo()
    run = only_run(tmp_path)
    assert len(list((run.path / "checkpoints").iterdir())) == 3
    assert run.status.state == "failed"
    assert resume(run, dataset=digits, settings=EVERY_STEP).finished


def test_a_disk_too_full_for_the_status_is_still_one_sentence(run_toy, tmp_path, monkeypatch):
    full_after(monkeypatch, 2)
    write = Run.write_status

    def full(self, status):
        if status.state == "failed":
            raise OSError(28, "No space left on device")
        write(self, status)

    monkeypatch.setattr(Run, "write_status", full)
    with pytest.raises(TrainingError, match="No space left on device; the last checkpoint"):
        run_toy()


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

    def read_only(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

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
    with pytest.raises(DataError, match="digits has changed since run"):
        resume(only_run(tmp_path), dataset=dataclasses.replace(digits, sha256="0" * 64))


def test_the_log_is_cut_back_to_the_checkpoint(run_toy, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    run = only_run(tmp_path)
    log = run.path / "log.jsonl"
    whole = log.read_text()
    log.write_text(whole + '{"step": 99, "images": 9')
    with pytest.raises(TrainingError):
        resume(run, dataset=digits, settings=EVERY_STEP)
    assert log.read_text() == whole


def test_a_lost_log_is_begun_anew_without_holes(run_toy, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    run = only_run(tmp_path)
    (run.path / "log.jsonl").unlink()
    with pytest.raises(TrainingError):
        resume(run, dataset=digits, settings=EVERY_STEP)
    assert b"\0" not in (run.path / "log.jsonl").read_bytes()


def test_events_tell_start_progress_and_end(run_toy):
    events = []
    run = run_toy(images=96, on_event=events.append)
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert kinds.count("checkpoint") == 7
    assert [event["images"] for event in events if event["kind"] == "log"] == [16, 32, 48, 64, 80, 96]
    assert events[-1]["done"] == 1.0
    assert {event["run"] for event in events} == {str(run.path)}


def test_progress_that_can_not_be_shown_is_said_once_and_stops_nothing(run_toy, caplog, capfd):
    seen = []

    def show(event):
        seen.append(event)
        raise BrokenPipeError(32, "Broken pipe")

    run = run_toy(images=96, on_event=show)
    assert run.finished
    assert len(seen) == 1
    (line,) = caplog.messages
    assert line == f"the progress of {run.path} is no longer shown: BrokenPipeError: [Errno 32] Broken pipe"


class Vast(GenerativeModel):
    """Too large for any machine."""

    Options = Trouble

    def __init__(self, options, data):
        super().__init__(options, data)
        self.weight = nn.Parameter(torch.empty(options.at))


@pytest.mark.parametrize("width", [2**58, 10**22])
def test_a_model_that_does_not_fit_into_memory_is_one_sentence(run_toy, tmp_path, monkeypatch, width):
    monkeypatch.setattr("toys.ToyTrouble", Vast)
    with pytest.raises(TrainingError, match="does not fit into the memory of cpu: make the batch, .* options smaller"):
        run_toy(options={"at": width})
    assert only_run(tmp_path).status.state == "failed"


@pytest.mark.parametrize("message", ["shapes do not match", "value cannot be converted without overflow"])
def test_another_error_of_a_model_is_its_own(run_toy, monkeypatch, message):
    def wrong(self, phase, batch, step):
        raise RuntimeError(message)

    monkeypatch.setattr("toys.ToyTrouble.loss", wrong)
    with pytest.raises(RuntimeError, match=message):
        run_toy()


@pytest.fixture
def opened(monkeypatch, digits):
    """What open_dataset is asked for, as genkit.training.api asks."""
    asked = []

    def note(reference, **how):
        asked.append((reference, how))
        return digits

    monkeypatch.setattr("genkit.training.api.open_dataset", note)
    monkeypatch.delenv("GENKIT_DATA", raising=False)
    return asked


def test_where_downloaded_data_lies_is_said_by_the_caller_then_the_environment_then_the_run(
    run_toy, tmp_path, monkeypatch, opened
):
    monkeypatch.chdir(tmp_path)
    run = run_toy(images=16, dataset_options={"data_root": "old"})
    given, environment = tmp_path / "given", tmp_path / "environment"
    open_run_dataset(run)
    monkeypatch.setenv("GENKIT_DATA", str(environment))
    open_run_dataset(run)
    open_run_dataset(run, data_root=given)
    assert [how["data_root"] for _, how in opened] == [tmp_path / "old", environment, given]


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


def test_auto_is_a_device_that_is_there():
    assert torch.empty(1, device=pick_device("auto")).numel() == 1


def test_the_status_of_a_run_without_one_is_running(run_toy):
    run = run_toy(images=16)
    (run.path / "status.json").unlink()
    assert run.status == Status("running")


def test_a_run_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no run at"):
        resume(tmp_path / "nothing")


class Interrupter:
    """An observer that sends its own process a signal once 100 images are logged."""

    def __init__(self, number):
        self.number = number

    @hookimpl
    def genkit_train_event(self, event):
        if event["kind"] == "log" and event["images"] >= 100:
            os.kill(os.getpid(), self.number)


def forked_command(number, errors, *arguments):
    """Run ``genkit`` in a forked process that signals itself; return its exit status, with stderr in a file."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
            os.dup2(2, 1)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            registry().manager.register(Interrupter(number))
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it runs beside it
            sys.argv = ["genkit", *arguments]
            main()
        except SystemExit as stopped:
            sys.stderr.flush()
            os._exit(stopped.code)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_the_step_saves_and_says_how_to_go_on(number, toy_models, digits, tmp_path):
    root = tmp_path / "runs"
    code = forked_command(
        number, tmp_path / "stderr", "train", "--model", "toy-gan", "--device", "cpu", "--runs", str(root)
    )
    (run,) = find_runs(root)
    said = (tmp_path / "stderr").read_text().splitlines()
    assert code == 130, said
    assert said[-1] == f"stopped after 128 images; go on with: genkit train --resume {run.path}"
    assert run.status.state == "interrupted"
    assert checkpoint.load(run.newest_checkpoint())[1]["drawn"] == 128
    assert resume(run, dataset=digits).finished


def test_a_signal_that_the_parent_had_ignored_stays_ignored(run_toy):
    def interrupt(event):
        if event["kind"] == "log":
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_toy(images=64, on_event=interrupt).finished
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


class Mask(GenerativeModel):
    """A causal mask of minus infinity is a sound buffer."""

    def __init__(self, options, data):
        super().__init__(options, data)
        self.bias = nn.Parameter(torch.zeros(data.shape))
        self.register_buffer("mask", torch.full((2, 2), float("-inf")))

    def phases(self):
        return [Phase("fit", self, torch.optim.SGD(self.parameters(), 0.1))]

    def loss(self, phase, batch, step):
        return (batch.images - self.bias).square().mean()

    def sample(self, n, *, generator, condition=None):
        return self.bias.detach().expand(n, *self.bias.shape)


def test_a_buffer_may_be_infinite(run_toy, monkeypatch):
    monkeypatch.setattr("toys.ToyTrouble", Mask)
    assert run_toy().finished


class Frozen(GenerativeModel):
    """A batch norm of stage 0, seen again in stage 1."""

    stages = 2

    def __init__(self, options, data):
        super().__init__(options, data)
        self.norm = nn.BatchNorm2d(data.shape[0])
        self.top = nn.Conv2d(data.shape[0], data.shape[0], 1)

    def phases(self):
        parts = (("bottom", self.norm, 0), ("top", self.top, 1))
        return [Phase(n, m, torch.optim.SGD(m.parameters(), 0.1), stage=stage) for n, m, stage in parts]

    def prepare_stage(self, stage, train_data, step):
        if stage == 1:
            self.register_buffer("before", self.norm.running_mean.clone())

    def loss(self, phase, batch, step):
        seen = self.norm(batch.images)
        return (seen if phase == "bottom" else self.top(seen)).square().mean()

    def sample(self, n, *, generator, condition=None):
        return self.norm.running_mean.expand(n, *self.data.shape).clamp(0, 1)


def test_what_a_finished_stage_trained_is_frozen_statistics_and_all(run_toy, monkeypatch):
    monkeypatch.setattr("toys.ToyTrouble", Frozen)
    run = run_toy(settings=Settings(checkpoint_seconds=1e9))
    state = checkpoint.load(run.newest_checkpoint(), "model/")[0]
    assert not torch.equal(state["model/norm.running_mean"], torch.zeros(1))
    assert torch.equal(state["model/norm.running_mean"], state["model/before"])


def test_a_damaged_newest_checkpoint_names_the_one_before(run_toy, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    *_, older, newest = only_run(tmp_path).checkpoints()
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"remove it to go on from {older.name}"):
        resume(only_run(tmp_path), settings=EVERY_STEP)


def test_a_qualified_name_makes_the_same_run_as_the_bare_one(run_toy):
    run = run_toy("toys:toy-gan", images=32)
    assert (run.config.model, run.config.dist, run.path.parent.name) == ("toy-gan", "toys", "toy-gan")


def test_another_number_of_processes_can_not_go_on_with_a_run(run_toy, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    run = only_run(tmp_path)
    begun = dataclasses.replace(run, config=dataclasses.replace(run.config, processes=4))
    with pytest.raises(UsageError, match="begun by 4 processes, not 1"):
        resume(begun)


def states(paths):
    """The tensors and the images of checkpoints, without what a clock moves."""
    return [(checkpoint.load(path)[0], checkpoint.load(path)[1]["drawn"]) for path in paths]


def test_milestones_stay_evenly_apart_and_are_whole(run_toy):
    run = run_toy("toy-gan", images=480, batch=16, milestones=3, settings=Settings(keep=1))
    found = states(run.milestones())
    assert [drawn for _, drawn in found] == [128, 256, 384]
    assert len(run.checkpoints()) == 1
    plain = run_toy("toy-gan", images=480, batch=16, settings=Settings(keep=1))
    assert not plain.milestones()
    ends = [states(each.checkpoints())[0][0] for each in (run, plain)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


def test_a_resumed_run_writes_the_milestones_that_it_would_have(run_toy):
    whole = run_toy("toy-gan", images=480, batch=16, milestones=3)

    def stop(event):
        if event["kind"] == "checkpoint" and event["images"] >= 250:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_toy("toy-gan", images=480, batch=16, milestones=3, on_event=stop)
    (other,) = [run for run in find_runs(whole.path.parents[2]) if run.id != whole.id]
    assert states(other.checkpoints()[:1])[0][1] == 192
    for path in (*other.milestones()[1:], *other.checkpoints()[1:]):
        path.unlink()
    resume(other, settings=EVERY_STEP)
    for (tensors, drawn), (others, again) in zip(states(whole.milestones()), states(other.milestones()), strict=True):
        assert drawn == again
        assert {name: torch.equal(tensors[name], others[name]) for name in tensors} == dict.fromkeys(tensors, True)


def test_a_milestone_says_which_stage_it_is_of(run_toy):
    run = run_toy("toy-stages", images=640, batch=16, milestones=3)
    stages = [(checkpoint.load(path)[1]["drawn"], checkpoint.load(path)[1]["stage"]) for path in run.milestones()]
    assert stages == [(160, 0), (320, 0), (480, 2)]


def test_milestones_go_with_a_budget_in_images(run_toy):
    with pytest.raises(UsageError, match="milestones are a number of checkpoints on the way"):
        run_toy("toy-gan", minutes=1.0, milestones=2)
