"""Exact resume: a run killed at any moment and resumed ends bit-identical to one never killed."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import torch
from forks import forked
from toy_runs import ended, same

from genkit.training.api import resume, train
from genkit.training.runs import find_runs
from genkit.training.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

SETTINGS = Settings(checkpoint_seconds=0.0, keep=3, metadata=False)
"""A checkpoint after every step: the log is always one line ahead when it is written. No grid names its run."""


def in_a_killed_process(work):
    """Fork, do the work in the child, and expect that SIGKILL ends it. One thread, so forking is sound."""
    assert forked(work) == -signal.SIGKILL


def killer(kind, count):
    """An observer that kills its own process at the ``count``-th event of a kind."""
    seen = 0

    def watch(event):
        nonlocal seen
        seen += event["kind"] == kind
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """The run that is never killed, of each model."""
    made = {}

    def get(model):
        if model not in made:
            made[model] = ended(
                train(model, digits, root=tmp_path_factory.mktemp(model), device="cpu", settings=SETTINGS)
            )
        return made[model]

    return get


def killed_run(model, digits, root, watch):
    in_a_killed_process(lambda: train(model, digits, root=root, device="cpu", settings=SETTINGS, on_event=watch))
    (run,) = find_runs(root)
    assert not run.finished
    return run


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("model", ["toy-gan", "toy-stages"])
@pytest.mark.parametrize(
    ("kind", "count"),
    [("start", 1), ("log", 1), ("log", 2), ("log", 7), ("checkpoint", 5), ("log", 14), ("checkpoint", 16)],
)
def test_a_run_killed_at_an_event_ends_as_if_it_never_was(model, kind, count, toy_models, digits, tmp_path, whole):
    expected = whole(model)
    run = killed_run(model, digits, tmp_path, killer(kind, count))
    assert same(ended(resume(run, dataset=digits, settings=SETTINGS)), expected)


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_it_never_was(toy_models, digits, tmp_path, whole):
    run = killed_run("toy-gan", digits, tmp_path, killer("log", 3))
    for count in (2, 4):
        in_a_killed_process(
            lambda count=count: resume(run, dataset=digits, settings=SETTINGS, on_event=killer("log", count))
        )
    assert same(ended(resume(run, dataset=digits, settings=SETTINGS)), whole("toy-gan"))


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_a_checkpoint_ends_as_if_it_never_was(toy_models, digits, tmp_path, whole):
    def work():
        replaced = 0
        replace = os.replace

        def die(source, target):
            nonlocal replaced
            replaced += "step-" in str(target)
            if replaced == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = die
        train("toy-gan", digits, root=tmp_path, device="cpu", settings=SETTINGS)

    in_a_killed_process(work)
    (run,) = find_runs(tmp_path)
    assert len(list((run.path / "checkpoints").glob(".*.part"))) == 1
    assert same(ended(resume(run, dataset=digits, settings=SETTINGS)), whole("toy-gan"))
    assert list((run.path / "checkpoints").glob(".*.part")) == []


@pytest.mark.parametrize("model", ["toy-gan", "toy-stages"])
def test_how_often_it_saves_and_logs_moves_no_weight(model, toy_models, digits, tmp_path, whole):
    settings = Settings(checkpoint_seconds=1e9, previews=0, logs=2, metadata=False)
    tensors, *_ = ended(train(model, digits, root=tmp_path, device="cpu", settings=settings))
    expected, *_ = whole(model)
    weights = [key for key in expected if not key.startswith("log/")]
    assert len(weights) > 10
    assert all(torch.equal(tensors[key], expected[key]) for key in weights)


def test_a_window_of_the_log_that_a_resume_cuts_is_the_same_to_the_byte(toy_models, digits, tmp_path):
    how = {"device": "cpu", "settings": Settings(checkpoint_seconds=0.0, keep=3, logs=2, metadata=False)}

    def stop(event):
        if event["kind"] == "checkpoint" and event["images"] > 100:
            raise KeyboardInterrupt

    expected = train("toy-gan", digits, root=tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        train("toy-gan", digits, root=tmp_path / "stopped", on_event=stop, **how)
    (run,) = find_runs(tmp_path / "stopped")
    assert same(ended(resume(run, dataset=digits, settings=how["settings"])), ended(expected))


def test_another_seed_ends_elsewhere(toy_models, digits, tmp_path, whole):
    other = ended(train("toy-gan", digits, root=tmp_path, device="cpu", settings=SETTINGS, seed=1))
    assert not same(other, whole("toy-gan"))


def test_the_global_generator_is_left_as_it_was(toy_models, digits, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train("toy-closed", digits, root=tmp_path, device="cpu")
    assert torch.equal(torch.rand(4), expected)


def test_stages_are_prepared_once_and_their_results_are_kept(whole):
    tensors, meta, *_ = whole("toy-stages")
    assert tensors["model/prepared"].tolist() == [1, 1, 1]
    assert meta["stage"] == 2
    assert tensors["model/shift.spread"].min() > 0
    assert torch.equal(tensors["ema/shift.spread"], tensors["model/shift.spread"])
