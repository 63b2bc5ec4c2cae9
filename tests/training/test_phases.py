from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from genkit.errors import PluginError, TrainingError
from genkit.models import Batch, DataInfo, GenerativeModel, Phase
from genkit.training.phases import MOST_SKIPS, PhaseRunner

CPU = torch.device("cpu")
BATCH = Batch(torch.ones(2, 1, 1, 1))


class Pair(GenerativeModel):
    """Two scalar weights; the loss of a phase is a function that a test gives."""

    def __init__(self, loss=lambda model, phase, step: model.a.w * 2 + model.b.w * 3):
        super().__init__(None, DataInfo((1, 1, 1)))
        for name in "ab":
            setattr(self, name, nn.Module())
            getattr(self, name).w = nn.Parameter(torch.tensor(1.0))
        self._loss = loss

    def loss(self, phase, batch, step):
        return self._loss(self, phase, step)


def sgd(*modules):
    return torch.optim.SGD([p for module in modules for p in module.parameters()], 0.1)


def run(runner, phase, index=0, images_seen=0):
    runner.run(phase, BATCH, runner.step(index, 0, images_seen, 0, phase.name))


def test_a_phase_moves_only_its_own_module():
    model = Pair()
    both = [Phase(name, getattr(model, name), sgd(getattr(model, name))) for name in "ab"]
    runner = PhaseRunner(model, both, 0, CPU)
    run(runner, both[0])
    assert (model.a.w.item(), model.b.w.item()) == (pytest.approx(0.8), 1.0)
    assert model.b.w.grad is None
    run(runner, both[1])
    assert (model.a.w.item(), model.b.w.item()) == (pytest.approx(0.8), pytest.approx(0.7))


def test_only_the_own_gradients_are_enabled_while_the_loss_is_computed():
    enabled = []

    def loss(model, phase, step):
        enabled.append((phase, model.a.w.requires_grad, model.b.w.requires_grad))
        return model.a.w + model.b.w

    model = Pair(loss)
    phases = [Phase(name, getattr(model, name), sgd(getattr(model, name))) for name in "ab"]
    runner = PhaseRunner(model, phases, 0, CPU)
    for phase in (phases[0], phases[1], phases[1], phases[0]):
        run(runner, phase)
    assert enabled == [("a", True, False), ("b", False, True), ("b", False, True), ("a", True, False)]


def test_a_parameter_frozen_by_the_model_stays_frozen():
    model = Pair(lambda model, phase, step: model.a.w * model.b.w)
    model.b.w.requires_grad_(False)
    phase = Phase("a", model, sgd(model.a, model.b))
    run(PhaseRunner(model, [phase], 0, CPU), phase)
    assert model.b.w.item() == 1.0
    assert not model.b.w.requires_grad


def test_phases_that_share_an_optimiser_do_not_move_each_other():
    model = Pair()
    shared = sgd(model.a, model.b)
    phases = [Phase("a", model.a, shared), Phase("b", model.b, shared)]
    runner = PhaseRunner(model, phases, 0, CPU)
    assert runner.optimizers == [shared]
    run(runner, phases[0])
    assert model.b.w.item() == 1.0
    run(runner, phases[1])
    assert model.a.w.item() == pytest.approx(0.8)


def test_gradients_do_not_add_up_over_turns():
    model = Pair()
    phase = Phase("a", model.a, sgd(model.a))
    runner = PhaseRunner(model, [phase], 0, CPU)
    for _ in range(3):
        run(runner, phase)
    assert model.a.w.item() == pytest.approx(1 - 3 * 0.2)


def test_a_lazy_loss_is_multiplied_by_its_interval_and_logged_as_it_is():
    model = Pair()
    phase = Phase("a", model.a, sgd(model.a), every=4)
    runner = PhaseRunner(model, [phase], 0, CPU)
    run(runner, phase)
    assert model.a.w.item() == pytest.approx(1 - 4 * 0.2)
    assert runner.means() == {"a": 5.0}


def test_clip_bounds_the_norm_of_the_own_gradient():
    model = Pair()
    phase = Phase("a", model.a, sgd(model.a), clip=0.5)
    run(PhaseRunner(model, [phase], 0, CPU), phase)
    assert model.a.w.item() == pytest.approx(1 - 0.1 * 0.5, rel=1e-4)


def test_the_schedule_is_a_factor_on_the_rate_over_images_seen():
    model = Pair()
    phase = Phase("a", model.a, sgd(model.a), schedule=lambda step: 1 / (1 + step.images_seen))
    runner = PhaseRunner(model, [phase], 0, CPU)
    run(runner, phase, images_seen=0)
    run(runner, phase, images_seen=1)
    run(runner, phase, images_seen=3)
    assert model.a.w.item() == pytest.approx(1 - 0.2 * (1 + 1 / 2 + 1 / 4))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_with_the_name_of_the_phase(value):
    model = Pair(lambda model, phase, step: model.a.w * value)
    phase = Phase("critic", model.a, sgd(model.a))
    with pytest.raises(TrainingError, match=r"the loss of phase 'critic' is -?(nan|inf) at step 7"):
        run(PhaseRunner(model, [phase], 0, CPU), phase, index=7)
    assert model.a.w.item() == 1.0


def test_a_gradient_that_is_not_finite_stops_a_clipped_phase_before_its_step():
    model = Pair(lambda model, phase, step: (model.a.w - 1).abs().sqrt())
    phase = Phase("critic", model.a, sgd(model.a), clip=1.0)
    with pytest.raises(TrainingError, match="the gradient of phase 'critic' is not finite at step 0"):
        run(PhaseRunner(model, [phase], 0, CPU), phase)
    assert model.a.w.item() == 1.0


@pytest.mark.parametrize("factor", [1000.0, math.nan, math.inf])
def test_an_exploding_turn_is_skipped_and_logged(factor):
    def loss(model, phase, step):
        scale = torch.where(model.a.w > 0, model.a.w, 0.0)
        scale.register_hook(
            lambda gradient: gradient * (factor if step.index == 1 else 1.0)
        ) if scale.requires_grad else None
        return scale

    model = Pair(loss)
    phase = Phase("a", model.a, sgd(model.a), skip_above=10.0)
    runner = PhaseRunner(model, [phase], 0, CPU)
    for index in range(4):
        run(runner, phase, index=index)
    assert model.a.w.item() == pytest.approx(1 - 3 * 0.1)
    assert runner.means()["a_skipped"] == 0.25


def test_twenty_skips_in_a_row_stop_a_run_and_one_good_turn_begins_anew():
    good = {MOST_SKIPS - 1}
    model = Pair(lambda model, phase, step: model.a.w * (1.0 if step.index in good else 1000.0))
    phase = Phase("a", model.a, sgd(model.a), skip_above=10.0)
    runner = PhaseRunner(model, [phase], 0, CPU)
    last = 2 * MOST_SKIPS - 1
    for index in range(last):
        run(runner, phase, index=index)
    with pytest.raises(TrainingError, match=f"phase 'a' has exploded {MOST_SKIPS} times in a row, at step {last}"):
        run(runner, phase, index=last)


def test_chance_depends_on_where_a_turn_stands_alone():
    runner = PhaseRunner(Pair(), [], 5, CPU)

    def drawn(*place):
        step = runner.step(*place)
        return torch.rand(1).item(), torch.rand(1, generator=step.generator).item()

    places = [(3, 0, 100, 0, "a"), (4, 0, 100, 0, "a"), (3, 1, 100, 0, "a"), (3, 0, 100, 1, "a"), (3, 0, 100, 0, "b")]
    draws = [drawn(*place) for place in places]
    assert len({value for pair in draws for value in pair}) == 10
    assert [drawn(*place) for place in reversed(places)] == draws[::-1]


def test_processes_draw_alone_in_phases_and_together_where_the_model_is_changed(monkeypatch):
    def drawn(rank, phase):
        monkeypatch.setattr("genkit.training.distributed.rank", lambda: rank)
        return torch.rand(1, generator=PhaseRunner(Pair(), [], 5, CPU).step(3, 0, 0, 0, phase).generator).item()

    assert drawn(0, "a") != drawn(1, "a")
    assert drawn(0, "prepare") == drawn(1, "prepare")
    assert drawn(0, "after") == drawn(1, "after")


def test_the_window_holds_means_and_begins_anew():
    model = Pair(lambda model, phase, step: step.log(k=step.index, t=torch.tensor(2.0)) or model.a.w * 0 + step.index)
    phase = Phase("a", model.a, sgd(model.a))
    runner = PhaseRunner(model, [phase], 0, CPU)
    for index in (1, 2, 6):
        run(runner, phase, index=index)
    assert runner.means() == {"a": 3.0, "k": 3.0, "t": 2.0}
    assert runner.means() == {}


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"every": 0}, {"stage": 1}, {"stage": -1}])
def test_a_phase_that_could_never_run_is_refused(wrong):
    model = Pair()
    with pytest.raises(PluginError, match="phase 'a' of Pair"):
        PhaseRunner(model, [Phase("a", model.a, sgd(model.a), **wrong)], 0, CPU)


def test_two_phases_of_one_name_are_refused():
    model = Pair()
    with pytest.raises(PluginError, match="two phases of one name"):
        PhaseRunner(model, [Phase("a", model.a, sgd(model.a)), Phase("a", model.b, sgd(model.b))], 0, CPU)


def test_a_schedule_is_the_phase_s_own_where_an_optimiser_is_shared():
    model = Pair(lambda model, phase, step: model.a.w)
    optimizer = sgd(model.a)
    slow = Phase("slow", model.a, optimizer, schedule=lambda step: 0.1)
    full = Phase("full", model.a, optimizer)
    runner = PhaseRunner(model, [slow, full], 0, CPU)
    run(runner, slow)
    assert model.a.w.item() == pytest.approx(0.99)
    run(runner, full)
    assert model.a.w.item() == pytest.approx(0.89)


def test_the_phase_whose_gradient_spoilt_its_weights_is_named_not_the_one_that_stumbles():
    def loss(model, phase, step):
        if phase == "b":
            return model.b.w + (model.b.w * 0).sqrt()  # finite, and its gradient is not
        return model.a.w * model.b.w.detach()

    model = Pair(loss)
    phases = [Phase(name, getattr(model, name), sgd(getattr(model, name))) for name in "ab"]
    runner = PhaseRunner(model, phases, 0, CPU)
    run(runner, phases[0])
    run(runner, phases[1])
    with pytest.raises(TrainingError, match="the gradient of phase 'b' was not finite before step 1"):
        run(runner, phases[0], index=1)


class Staged(GenerativeModel):
    """A tokenizer that has a normalisation, then a prior that has a dropout; neither layer has parameters."""

    stages = 2

    def __init__(self):
        super().__init__(None, DataInfo((1, 1, 1)))
        self.tokenizer = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
        self.prior = nn.Sequential(nn.Linear(2, 2), nn.Dropout())


@pytest.mark.parametrize("whole", [(True, False), (False, True), (True, True), (False, False)])
def test_what_is_frozen_is_what_optimisers_no_longer_hold_whatever_modules_phases_name(whole):
    model = Staged()
    parts = [model.tokenizer, model.prior]
    phases = [
        Phase(str(stage), model if all_of_it else part, sgd(part), stage=stage)
        for stage, (part, all_of_it) in enumerate(zip(parts, whole, strict=True))
    ]
    PhaseRunner(model, phases, 0, CPU).train_mode(1)
    assert [module.training for module in model.tokenizer.modules()] == [False] * 3
    assert [module.training for module in model.prior.modules()] == [True] * 3


@pytest.mark.parametrize(("clip", "logged"), [(None, [2.0]), (0.5, [2.0, 2.0])])
def test_norms_of_gradients_are_logged_before_clipping_once_a_line_or_where_they_are_known(clip, logged):
    model = Pair()
    phase = Phase("a", model.a, sgd(model.a), clip=clip)
    runner = PhaseRunner(model, [phase], 0, CPU, norms=True)
    run(runner, phase)
    run(runner, phase)
    assert runner.window["a_gradient_norm"] == logged
    assert model.a.w.item() == pytest.approx(1 - 2 * 0.1 * (clip or 2.0))
    quiet = PhaseRunner(model, [phase], 0, CPU)
    run(quiet, phase)
    assert list(quiet.window) == ["a"]
