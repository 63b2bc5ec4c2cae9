from __future__ import annotations

import dataclasses
import json

import pytest
import toy_trackers
from toy_runs import EVERY_STEP, only_run

import genkit
from genkit.errors import MissingError, TrainingError, UnknownName
from genkit.registry.discovery import registry
from genkit.training import distributed
from genkit.training.api import resume
from genkit.training.tracking import Trackers, find_tracker


@pytest.fixture
def trackers(monkeypatch):
    """Offer the trackers of tests/toy_trackers.py by name, and only those."""
    others = [plugin for plugin in registry().plugins if not plugin.name.startswith("tracker")]
    monkeypatch.setattr(registry(), "plugins", [*others, toy_trackers.plugin()])


def tracked(*names):
    return dataclasses.replace(EVERY_STEP, track=names)


def notes(run):
    return (run.path / "trackers" / "notes" / "notes").read_text().splitlines()


def test_a_tracker_is_told_all_events_but_progress_and_then_closed(run_toy, trackers):
    run = run_toy(images=48, settings=tracked("notes"))
    told = notes(run)
    assert (told[0], told[-2:]) == ("start 0", ["end 48", "close"])
    assert [line for line in told if line.startswith("log")] == ["log 16", "log 32", "log 48"]


def test_nothing_is_tracked_unless_asked_for(run_toy, trackers):
    run = run_toy(images=48)
    assert not (run.path / "trackers").exists()
    assert "gradient_norm" not in (run.path / "log.jsonl").read_text()


def test_a_tracked_run_logs_the_norms_of_gradients(run_toy, trackers):
    run = run_toy("toy-gan", images=48, settings=tracked("notes"))
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert all(line["generator_gradient_norm"] > 0 and line["critic_gradient_norm"] > 0 for line in lines)


def test_a_run_that_resumes_is_followed_on(run_toy, trackers, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5}, settings=tracked("notes"))
    run = only_run(tmp_path)
    before = notes(run)
    assert before[-2:] == ["failed 96", "close"]
    with pytest.raises(TrainingError):
        resume(run, dataset=digits)
    assert notes(run)[len(before)] == "start 80"


def test_a_record_of_a_tracked_run_is_told(run_toy, trackers):
    run = run_toy("toy-gan", images=48, settings=tracked("notes"))
    genkit.evaluate(run, metrics="fid", features=["random-conv"], count=16, device="cpu")
    assert notes(run)[-2:] == [f"record {run.status.images}", "close"]


def test_a_tracker_that_fails_is_switched_off_and_the_others_go_on(run_toy, trackers, caplog):
    run = run_toy(images=48, settings=tracked("broken", "notes"))
    assert run.finished
    assert notes(run)[-1] == "close"
    (line,) = (message for message in caplog.messages if "switched off" in message)
    assert line == f"tracker broken of run {run.path} is switched off: SystemExit: no start here"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("note", UnknownName, "no tracker named 'note'.*Did you mean 'notes'"),
        (
            "distant",
            MissingError,
            r"needs no_such_library, which is not installed: pip install 'genkit-toys\[distant\]'",
        ),
    ],
)
def test_a_tracker_that_cannot_be_had_is_refused_before_a_folder_is_made(
    run_toy, trackers, tmp_path, name, kind, message
):
    with pytest.raises(kind, match=message):
        run_toy(images=48, settings=tracked(name))
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_its_name_is_no_library(trackers, tmp_path, monkeypatch):
    (tmp_path / "no_such_library").mkdir()  # as W&B leaves one where it ran
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError, match="needs no_such_library, which is not installed"):
        find_tracker("distant")


def test_without_any_tracker_the_plugin_is_named(run_toy, monkeypatch):
    monkeypatch.setattr(registry(), "plugins", registry().plugins[:1])
    with pytest.raises(MissingError, match=r"no wandb: pip install 'genkit-trackers\[tensorboard,wandb,mlflow\]'"):
        Trackers(None, ["wandb"])


def test_a_tracker_that_was_uninstalled_is_said_and_stops_no_resume(run_toy, trackers, caplog):
    run = run_toy(images=48, settings=tracked("notes"))
    (run.path / "trackers" / "gone").mkdir()
    found = Trackers(run)
    assert found.names == ("gone", "notes")
    (line,) = (message for message in caplog.messages if "no longer followed" in message)
    assert line.startswith(f"run {run.path} is no longer followed by gone: ")


def test_only_process_0_tracks(run_toy, trackers, monkeypatch):
    run = run_toy(images=48)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    other = Trackers(run, ["notes"])
    other.event({"kind": "start", "images": 0})
    assert other.names == ("notes",)
    assert not (run.path / "trackers").exists()
