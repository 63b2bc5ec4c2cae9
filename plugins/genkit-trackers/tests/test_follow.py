from __future__ import annotations

import json

import pytest

pytest.importorskip("genkit_trackers", reason="the plugin genkit-trackers is not installed")

from genkit_trackers.follow import Follower, curves, hyperparameters, store_of, unique

import genkit
from genkit.training.runs import Run


class Kept(Follower):
    """Keeps what it is sent in a list."""

    already: dict[str, int] = {}

    def begin(self, resumed):
        self.sent, self.resumed, self.ending = [], resumed, None
        return self.already

    def values(self, images, values):
        self.sent.append((images, values))

    def picture(self, images, path):
        self.sent.append((images, path.name))

    def flush(self):
        self.sent.append("flush")

    def finish(self, ending):
        self.ending = ending


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose log and grids a test writes."""
    return genkit.train("ppca", "digits", root=tmp_path_factory.mktemp("runs"), device="cpu")


@pytest.fixture
def run(made, tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "run.json").write_bytes((made.path / "run.json").read_bytes())
    return Run(tmp_path, made.config)


def logged(run, *lines):
    texts = [json.dumps({"step": images, "images": images, "seconds": images / 10, **more}) for images, more in lines]
    (run.path / "log.jsonl").write_text("".join(f"{text}\n" for text in texts))


def sent(kept):
    return [each for each in kept.sent if each != "flush"]


def test_lines_are_sent_at_checkpoints_and_not_before(run):
    kept = Kept(run, run.path)
    kept.on_event({"kind": "start", "images": 0})
    logged(run, (10, {"loss": 2.0}))
    kept.on_event({"kind": "log", "images": 10})
    assert sent(kept) == []
    kept.on_event({"kind": "checkpoint", "images": 10})
    assert sent(kept) == [(10, {"loss": 2.0, "images_per_second": 10.0})]
    kept.on_event({"kind": "checkpoint", "images": 10})
    assert len(sent(kept)) == 1
    assert kept.sent[-1] == "flush"


def test_what_the_tracker_holds_is_not_sent_again_and_the_rest_is(run):
    logged(run, (10, {"loss": 2.0}), (20, {"loss": 1.0}), (30, {"loss": 0.5}))
    kept = Kept(run, run.path)
    kept.already = {"loss": 20, "images_per_second": 10}
    kept.on_event({"kind": "start", "images": 30})
    assert kept.resumed == 30
    assert sent(kept) == [(20, {"images_per_second": 10.0}), (30, {"loss": 0.5, "images_per_second": 10.0})]


def test_grids_that_a_killed_run_left_ahead_of_its_checkpoint_wait(run):
    for images in (10, 20):
        (run.path / "samples" / f"{images:09d}.png").write_bytes(b"")
    (run.path / "samples.png").write_bytes(b"")
    kept = Kept(run, run.path)
    kept.on_event({"kind": "start", "images": 10})
    assert sent(kept) == [(10, "000000010.png")]
    kept.on_event({"kind": "end", "images": 25})
    assert sent(kept)[1:] == [(20, "000000020.png"), (25, "samples.png")]
    kept.close()
    assert kept.ending == "end"


@pytest.mark.parametrize(("rewinds", "shown"), [(True, [10, 20]), (False, [10])])
def test_a_failed_run_is_shown_to_its_last_line_where_that_can_be_taken_back(run, rewinds, shown):
    kept = Kept(run, run.path)
    kept.rewinds = rewinds
    kept.on_event({"kind": "start", "images": 0})
    logged(run, (10, {"loss": 2.0}))
    kept.on_event({"kind": "checkpoint", "images": 10})
    logged(run, (10, {"loss": 2.0}), (20, {"loss": 1e12}))
    kept.on_event({"kind": "failed", "images": 25, "reason": "nan"})
    assert [images for images, _ in sent(kept)] == shown
    kept.close()
    assert kept.ending == "failed"


def test_a_run_that_fails_before_its_start_opens_nothing(run):
    kept = Kept(run, run.path)
    kept.on_event({"kind": "failed", "images": 0, "reason": "no memory"})
    kept.close()
    assert not hasattr(kept, "sent")


def test_values_that_are_no_numbers_are_left_out_and_speed_needs_time_to_pass(run):
    log = run.path / "log.jsonl"
    log.write_text(
        '{"step":1,"images":5,"seconds":0,"loss":null,"a":1}\n{"step":2,"images":9,"seconds":2,"a":3}\n{"ima'
    )
    assert list(curves(log)) == [(5, {"a": 1}), (9, {"a": 3, "images_per_second": 2.0})]


def test_scores_of_raw_weights_stand_apart_and_other_options_of_drawing_are_left_out(made, tmp_path, monkeypatch):
    record = genkit.evaluate(made, metrics="mse", device="cpu", count=8).record
    kept = Kept(made, tmp_path)
    kept.on_record(record)
    assert kept.resumed is None
    (score,) = record.scores
    group = "scores" if record.training.weights == "ema" else "scores_raw"
    assert sent(kept) == [
        (made.status.images, "samples.png"),
        (record.training.images, {f"{group}/{score.name}": score.value}),
    ]
    monkeypatch.setattr(type(record), "at_own_point", False)
    kept.on_record(record)
    assert len(sent(kept)) == 2


def test_options_are_one_flat_table_and_runs_of_one_id_have_different_names(made, run):
    table = hyperparameters(made.config)
    assert (table["model"], table["dataset"]) == ("ppca", "digits")
    assert table["options.latent"] == made.config.options["latent"]
    assert all(isinstance(value, bool | int | float | str) for value in table.values())
    assert unique(made).startswith(f"{made.id}-")
    assert (store_of(made), store_of(run)) == (made.path.absolute().parents[2], run.path.absolute().parent)
    (run.path / "run.json").write_text("{}")
    assert unique(run).partition("-")[2] != unique(made).partition("-")[2]
