from __future__ import annotations

import json

import pytest
import torch
import toys
from toy_runs import EVERY_STEP, only_run

from genkit.errors import PluginError, TrainingError
from genkit.training import checkpoint
from genkit.training.api import resume
from genkit.training.settings import Settings
from genkit.training.status import Status


def test_the_log_is_strict_json_whatever_is_logged(run_toy):
    logged = lines(run_toy(options={"kind": "log", "at": 3}, images=96))
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]
    assert [line.get("strange") for line in logged] == [1.0, 1.0, 1.0, None, None, None]


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


def lines(run):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in (run.path / "log.jsonl").read_text().splitlines()]


def test_a_run_has_as_many_previews_and_log_lines_as_its_settings_say(run_toy):
    run = run_toy(images=320, settings=Settings(previews=4, logs=5))
    assert [line["step"] for line in lines(run)] == [4, 8, 12, 16, 20]
    assert [path.stem for path in sorted((run.path / "samples").iterdir())] == [
        f"{images:09d}" for images in (80, 160, 240, 320)
    ]


def test_a_preview_leaves_the_model_as_it_was(run_toy):
    shown, bare = (run_toy("toy-gan", images=160, settings=Settings(previews=count)) for count in (5, 0))
    assert not (bare.path / "samples").exists()
    one, other = (checkpoint.load(run.newest_checkpoint(), "model/")[0] for run in (shown, bare))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (lambda images: images[:, :, :7], "have the shape 100x1x7x8 where 100x1x8x8 is due"),
        (lambda images: images[1:], "are 99 where 100 were asked for"),
        (lambda images: images.double(), "are float64"),
    ],
)
def test_a_preview_of_what_are_no_images_of_the_data_ends_training_in_a_sentence(
    run_toy, monkeypatch, spoiled, message
):
    whole = toys.ToyGAN.sample
    monkeypatch.setattr(toys.ToyGAN, "sample", lambda self, *given, **named: spoiled(whole(self, *given, **named)))
    with pytest.raises(PluginError, match=f"^samples of toy-gan {message}"):
        run_toy("toy-gan", images=32)


def test_a_budget_in_minutes_has_its_previews_by_time(run_toy, monkeypatch):
    seconds = iter(range(1000))
    monkeypatch.setattr("genkit.training.snapshot.State.seconds", property(lambda self: next(seconds) / 4))
    run = run_toy("toy-gan", minutes=1.0, settings=Settings(previews=3))
    assert 2 <= len(list((run.path / "samples").iterdir())) <= 3


def test_events_tell_the_config_the_process_and_what_was_written(run_toy):
    events = []
    run = run_toy(images=96, settings=Settings(previews=2, checkpoint_seconds=0.0), on_event=events.append)
    pictures = [event["path"] for event in events if event["kind"] == "picture"]
    assert pictures == [
        str(run.path / path) for path in ("samples/000000048.png", "samples/000000096.png", "samples.png")
    ]
    assert {(event["rank"], event["resumed"]) for event in events} == {(0, False)}
    assert all(event["config"]["options"] == run.config.options for event in events)


def test_events_of_a_resumed_run_say_so(run_toy, digits, tmp_path):
    with pytest.raises(TrainingError):
        run_toy(options={"kind": "loss", "at": 5})
    events = []
    with pytest.raises(TrainingError):
        resume(only_run(tmp_path), dataset=digits, on_event=events.append)
    assert [(event["kind"], event["step"], event["resumed"]) for event in events] == [
        ("start", 5, True),
        ("failed", 5, True),
    ]


def test_a_run_that_another_process_has_finished_meanwhile_stays_finished(run_toy, tmp_path):
    seen = []

    def overtaken(event):
        if event["kind"] == "checkpoint":
            run = only_run(tmp_path)
            seen.append(run.status.state)
            run.write_status(Status("finished", 96))

    run_toy(images=96, on_event=overtaken)
    assert seen[0] == "running" and set(seen[1:]) == {"finished"}
