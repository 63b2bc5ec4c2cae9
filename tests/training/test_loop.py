from __future__ import annotations

import dataclasses
import time

import pytest
import torch
from torch import nn
from toy_runs import EVERY_STEP, full_after, only_run

import genkit
from genkit.errors import TrainingError
from genkit.models import GenerativeModel, Phase
from genkit.training import checkpoint
from genkit.training.api import resume
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run, find_runs
from genkit.training.settings import Settings
from genkit.training.status import Status


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


def test_what_trackers_take_to_begin_is_no_time_of_training(run_toy, monkeypatch):
    real, late = time.monotonic, 0.0

    def begin(event):
        nonlocal late
        if event["kind"] == "start":
            late = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: real() + late)
    assert run_toy("toy-gan", on_event=begin).status.seconds < 500


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


def test_a_loss_that_is_not_finite_names_a_smaller_learning_rate(digits, tmp_path):
    with pytest.raises(TrainingError, match=r"is nan at step 1; .*; try a smaller .* e\.g\. -o learning_rate=0\.001"):
        genkit.train("vae", digits, options={"learning_rate": 1e30}, images=640, root=tmp_path, device="cpu")


def test_a_gradient_that_is_not_finite_is_caught_by_clipping(run_toy):
    with pytest.raises(TrainingError, match="the gradient of phase 'fit' is not finite at step 2"):
        run_toy(options={"kind": "clip", "at": 2})


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
