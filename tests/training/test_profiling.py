"""A trace of training steps."""

from __future__ import annotations

import gzip
import json
import logging

from genkit.training.settings import Settings


def test_a_trace_is_written_into_the_run_and_the_dearest_operations_are_told(run_toy):
    events = []
    run = run_toy("toy-gan", images=512, settings=Settings(previews=0, profile=2), on_event=events.append)
    (told,) = [event for event in events if event["kind"] == "profile"]
    assert told["path"] == str(run.path / "profile" / "step-000000003.pt.trace.json.gz")
    assert len(told["lines"]) == 1 + 10
    assert told["lines"][0].split()[:4] == ["own", "ms", "share", "calls"]
    times = [float(line.split()[0].replace(",", "")) for line in told["lines"][1:]]
    assert times == sorted(times, reverse=True) and times[0] > 0
    assert (run.path / "profile" / "step-000000003.txt").read_text().splitlines() == told["lines"]
    with gzip.open(told["path"]) as file:
        names = [event.get("name") for event in json.load(file)["traceEvents"]]
    assert names.count("aten::randn") == 2 * 3  # of two steps: two repeats of the critic, and the generator


def test_a_run_that_ends_before_writes_what_it_has_or_says_that_it_has_nothing(run_toy, caplog):
    run = run_toy("toy-gan", images=32 * 5, settings=Settings(profile=50))
    assert len(list((run.path / "profile").glob("*.json.gz"))) == 1
    for steps in (1, 3):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "genkit"):
            short = run_toy("toy-gan", images=32 * steps, settings=Settings(profile=2))
        assert "before step 4 of this session: nothing was profiled" in caplog.text
        assert not (short.path / "profile").exists()


def test_a_trace_that_cannot_be_written_stops_no_training(run_toy, caplog, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("genkit.training.profiling.temporary_folder", full)
    assert run_toy("toy-gan", images=512, settings=Settings(profile=2)).finished
    assert "can't be written: No space left on device" in caplog.text
