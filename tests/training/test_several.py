"""Two processes that train one run: ended, killed, stopped and begun again. Tests endings too."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

import pytest
import torch
import toys
from forks import together
from toy_runs import ended, same

from genkit.errors import GenkitError, Interrupted, TrainingError
from genkit.training import checkpoint, distributed
from genkit.training.api import resume, train
from genkit.training.loop import Loop
from genkit.training.runs import open_run
from genkit.training.settings import Settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork"),
]

SETTINGS = Settings(checkpoint_seconds=0.0, keep=3, metadata=False)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def imported():
    """What torch imports at the first step of an optimiser, and each fork would import again."""
    return importlib.import_module("torch._dynamo")


@pytest.fixture
def two(toy_models, imported, digits, tmp_path):
    """Train in two processes at tmp_path/NAME, with ``before_step(rank, index)`` called before each step."""

    def go(name, before_step=lambda rank, index: None, model="toy-gan", on_event=None):
        step = Loop._step

        def work(rank):
            def stepped(loop, phases):
                before_step(rank, loop.state.index)
                step(loop, phases)

            Loop._step = stepped
            train(model, digits, at=tmp_path / name, device="cpu", settings=SETTINGS, on_event=on_event)
            assert not torch.distributed.is_initialized()

        return together(work)

    return go


@pytest.mark.parametrize("model", ["toy-gan", "toy-stages"])
def test_a_run_of_which_any_process_is_killed_goes_on_exactly(two, tmp_path, model):
    def killing(victim, at):
        def before_step(rank, index):
            if (rank, index) == (victim, at):
                os.kill(os.getpid(), signal.SIGKILL)

        return before_step

    assert two("whole", model=model) == [0, 0]
    assert two("killed", killing(1, 3), model=model) == [1, -signal.SIGKILL]
    run = open_run(tmp_path / "killed")
    assert (run.status.state, "another of its processes" in run.status.reason) == ("interrupted", True)
    assert two("killed", killing(0, 5), model=model) == [-signal.SIGKILL, 1]
    assert run.status.state == "interrupted"
    assert two("killed", model=model) == [0, 0]
    assert run.finished
    assert same(ended(run), ended(open_run(tmp_path / "whole")))
    assert run.config.processes == 2
    assert two("killed", lambda rank, index: os._exit(5), model=model) == [0, 0]  # it is finished: no step is made


@pytest.mark.parametrize("model", ["toy-gan", "toy-stages"])
def test_only_the_first_process_tells_and_all_have_the_numbers_that_are_saved(two, tmp_path, monkeypatch, model):
    """Also if they draw other first weights, or fit a stage otherwise, as on different machines."""
    finish, restore, prepare = Loop._finish, Loop._restore, toys.ToyStages.prepare_stage

    def differing(loop):
        with torch.no_grad():
            for parameter in loop.model.parameters():
                parameter.add_(0.1 * loop.rank)
        restore(loop)

    def prepared(model, stage, train_data, step):
        prepare(model, stage, train_data, step)
        model.shift.spread += distributed.rank()

    monkeypatch.setattr(Loop, "_restore", differing)
    monkeypatch.setattr(toys.ToyStages, "prepare_stage", prepared)

    def kept(loop):
        finish(loop)
        state = {f"model/{name}": tensor for name, tensor in loop.model.state_dict().items()}
        checkpoint.save(tmp_path / f"{loop.rank}.safetensors", state, {})

    monkeypatch.setattr(Loop, "_finish", kept)

    def tell(event):
        with (tmp_path / "events").open("a") as file:
            file.write(json.dumps([os.environ["RANK"], event["kind"], event["processes"]]) + "\n")

    assert two("run", model=model, on_event=tell) == [0, 0]
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert {rank for rank, _, _ in events} == {"0"} and {processes for _, _, processes in events} == {2}
    assert [kind for _, kind, _ in events].count("end") == 1
    run = open_run(tmp_path / "run")
    assert run.config.batch_norm == ("averaged" if model == "toy-gan" else "")
    saved = checkpoint.load(run.newest_checkpoint(), "model/")[0]
    for rank in (0, 1):
        own = checkpoint.load(tmp_path / f"{rank}.safetensors")[0]
        assert saved.keys() == own.keys() and all(torch.equal(saved[name], own[name]) for name in saved)


def signalling(number, at, again):
    """Send signals to a process before its step of an index, once; to ``again`` a few of them."""

    def before_step(rank, index):
        if index == at.get(rank):
            for _ in range(3 if again else 1):
                os.kill(os.getpid(), number)

    return before_step


@pytest.mark.parametrize("both", [False, True], ids=["one process", "both, one step apart"])
def test_processes_stop_after_the_same_step_whichever_is_sent_a_signal_however_often(two, tmp_path, both):
    for number, step in ((signal.SIGTERM, 1), (signal.SIGINT, 3), (signal.SIGUSR2, 5)):
        at = {0: step, 1: step + 1} if both else {1: step}
        assert two("run", signalling(number, at, again=True)) == [130, 130]
        run = open_run(tmp_path / "run")
        assert run.status.state == "interrupted"
        assert checkpoint.load(run.newest_checkpoint())[1]["index"] == step + 1
    assert two("run") == [0, 0]
    assert run.finished


def test_a_process_that_fails_says_why_in_the_status(two, tmp_path):
    def failing(rank, index):
        if (rank, index) == (1, 2):
            raise TrainingError("the loss of phase 'critic' is nan at step 2")

    assert two("run", failing) == [1, 1]
    status = open_run(tmp_path / "run").status
    assert (status.state, status.reason) == ("failed", "the loss of phase 'critic' is nan at step 2")


def test_a_run_goes_on_in_as_many_processes_as_began_it(two, tmp_path, digits):
    assert two("run", signalling(signal.SIGTERM, {1: 1}, again=False)) == [130, 130]
    with pytest.raises(GenkitError, match="was begun by 2 processes, not 1: launch as many"):
        resume(tmp_path / "run", dataset=digits)


def test_a_run_of_before_goes_on_with_the_statistics_of_the_first_process(two, tmp_path, monkeypatch):
    """Its run.json does not say that they are averaged."""
    monkeypatch.setattr("genkit.training.api.kind_of_statistics", lambda model: "")
    monkeypatch.setattr("genkit.training.loop.average_statistics", lambda moving: os._exit(9) if moving else None)
    assert two("run") == [0, 0]


def test_a_signal_after_the_last_step_ends_what_would_follow(run_toy, tmp_path):
    def stop(event):
        if event["kind"] == "end":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="is finished, and nothing else is done"):
        run_toy(images=32, on_event=stop)
