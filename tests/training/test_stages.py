"""A budget that stages split, and what a step is told of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toys
from toy_runs import EVERY_STEP, only_run

from genkit.errors import PluginError
from genkit.training import checkpoint
from genkit.training.api import resume
from genkit.training.phases import PhaseRunner
from genkit.training.runs import find_runs, load
from genkit.training.settings import Settings


@pytest.fixture
def steps(monkeypatch):
    """What every step of a training was told: stage, images, stage's images, progress, stage's progress, batch."""
    seen = []
    run = PhaseRunner.run

    def watch(self, phase, batch, step):
        seen.append((step.stage, step.images_seen, step.stage_images, step.progress, step.stage_progress, len(batch)))
        run(self, phase, batch, step)

    monkeypatch.setattr(PhaseRunner, "run", watch)
    return seen


def stopping_at(step):
    """Ctrl-C after the checkpoint of a step."""

    def stop(event):
        if event["kind"] == "checkpoint" and event["step"] == step:
            raise KeyboardInterrupt

    return stop


def test_stages_share_the_budget_evenly_without_a_word(run_toy, steps):
    run_toy("toy-stages", images=128)
    assert [step[0] for step in steps] == [0] * 4 + [2] * 4


def test_stages_split_the_budget_by_their_shares_and_those_without_phases_take_none(run_toy, steps, monkeypatch):
    monkeypatch.setattr(toys.ToyStages, "stage_shares", (1.0, 5.0, 3.0))
    run_toy("toy-stages", images=128)
    assert steps == [
        (0, 16, 16, 1 / 8, 1 / 2, 16),
        (0, 32, 32, 2 / 8, 1.0, 16),
        *((2, 32 + seen, seen, (32 + seen) / 128, seen / 96, 16) for seen in range(16, 112, 16)),
    ]


def test_a_stage_has_its_own_batch_size(run_toy, steps, monkeypatch):
    monkeypatch.setattr(toys.ToyStages, "stage_batches", (0.5, 1.0, 2.0))
    run_toy("toy-stages", images=128)
    assert [(step[0], step[1], step[5]) for step in steps] == [
        *((0, seen, 8) for seen in range(8, 72, 8)),
        (2, 96, 32),
        (2, 128, 32),
    ]


def test_a_resumed_run_is_told_the_same(run_toy, steps, monkeypatch, digits, tmp_path):
    monkeypatch.setattr(toys.ToyStages, "stage_shares", (2.0, 1.0, 3.0))
    run_toy("toy-stages", images=160)
    whole = steps.copy()
    steps.clear()

    for step in (2, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            stop = stopping_at(step)
            run_toy("toy-stages", images=160, root=tmp_path / "other", on_event=stop) if step == 2 else resume(
                next(find_runs(tmp_path / "other")), dataset=digits, settings=EVERY_STEP, on_event=stop
            )
    resume(next(find_runs(tmp_path / "other")), dataset=digits)
    assert steps == whole


def test_a_budget_in_minutes_has_progress_too(run_toy, steps):
    run_toy("toy-stages", minutes=0.002)
    assert all(0 <= step[3] <= 1 and 0 <= step[4] <= 1 for step in steps)
    assert [step[3] for step in steps] == sorted(step[3] for step in steps)
    assert steps[0][4] < 1


@pytest.mark.parametrize("shares", [(1.0,), (1.0, 0.0, 1.0), (1.0, float("inf"), 1.0)])
def test_shares_that_are_not_one_positive_number_a_stage_are_refused(run_toy, monkeypatch, shares):
    monkeypatch.setattr(toys.ToyStages, "stage_shares", shares)
    with pytest.raises(PluginError, match="one positive number for each of the 3 stages"):
        run_toy("toy-stages", images=64)


def test_a_stage_is_entered_on_every_resume_with_the_same_draws_and_prepared_once(
    run_toy, monkeypatch, digits, tmp_path
):
    entered = []

    def enter(model, stage, train_data, step):
        entered.append((stage, torch.rand(1, generator=step.generator).item(), int(model.prepared[stage])))

    monkeypatch.setattr(toys.ToyStages, "enter_stage", enter)
    with pytest.raises(KeyboardInterrupt):
        run_toy("toy-stages", images=128, on_event=stopping_at(5))
    assert resume(only_run(tmp_path), dataset=digits).finished
    assert [stage for stage, *_ in entered] == [0, 1, 2, 2]
    assert entered[2] == entered[3]
    assert {prepared for *_, prepared in entered} == {1}


def test_the_averages_of_a_finished_stage_become_its_weights_and_stay(run_toy):
    run = run_toy("toy-stages", images=160)
    by_step = {int(path.stem.removeprefix("step-")): checkpoint.load(path)[0] for path in run.checkpoints()}
    for tensors in by_step.values():  # all of them after the border
        assert torch.equal(tensors["model/decoder.weight"], tensors["ema/decoder.weight"])
        assert not torch.equal(tensors["model/shift.bias"], tensors["ema/shift.bias"])
    first, *_, last = (by_step[step] for step in sorted(by_step))
    assert torch.equal(first["model/decoder.weight"], last["model/decoder.weight"])


def test_a_checkpoint_of_an_early_stage_says_that_it_cannot_draw(run_toy, tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        run_toy("toy-stages", images=128, on_event=stopping_at(1))
    load(only_run(tmp_path))
    assert "is from stage 1 of 3: the model can't draw yet" in caplog.text


def test_before_the_last_stage_a_preview_has_test_images_above_their_reconstructions(run_toy, monkeypatch, digits):
    monkeypatch.setattr(toys.ToyStages, "reconstruct", lambda self, images: 1 - images, raising=False)
    grids, origins = [], []

    def save_grid(images, path, origin):
        grids.append(images)
        origins.append(origin)

    monkeypatch.setattr("genkit.training.monitor.save_grid", save_grid)
    run_toy("toy-stages", images=64, settings=Settings(previews=4))
    early, late = grids[0].unflatten(0, (10, 10)), grids[-1].unflatten(0, (10, 10))
    assert torch.equal(early[0], digits.test.images(np.linspace(0, len(digits.test) - 1, 50).astype(int)[:10]))
    assert all(torch.equal(1 - early[row], early[row + 1]) for row in range(0, 10, 2))
    assert not torch.equal(1 - late[0], late[1])
    assert (origins[0].composite, origins[-1].composite) == (True, False)
