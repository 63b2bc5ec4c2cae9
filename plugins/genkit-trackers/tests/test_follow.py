from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

pytest.importorskip("genkit_trackers", reason="the plugin genkit-trackers is not installed")

from genkit_trackers.follow import Follower, curves, hyperparameters, records_of, unique

import genkit
from genkit.files.locks import holding
from genkit.training.runs import Run
from genkit.training.status import Status


class Kept(Follower):
    """Keeps what it is sent in a list."""

    already: dict[str, int] = {}
    scored: set[tuple[str, int]] = set()

    def begin(self, resumed):
        self.sent, self.resumed, self.ending = [], resumed, None
        return self.already

    def values(self, images, values):
        self.sent.append((images, values))

    def picture(self, images, path):
        self.sent.append((images, path.name))

    def has_score(self, images, name, value):
        return (name, images, value) in self.scored

    def flush(self):
        self.sent.append("flush")

    def finish(self, ending):
        self.ending = ending


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose log and grids a test writes."""
    return genkit.train("ppca", "digits", root=tmp_path_factory.mktemp("runs"), device="cpu")


@pytest.fixture(scope="module")
def record(made):
    return genkit.evaluate(made, metrics="mse", device="cpu", count=8).record


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


def test_scores_of_raw_weights_stand_apart_and_other_options_of_drawing_are_left_out(
    made, record, tmp_path, monkeypatch
):
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


@pytest.mark.parametrize("home", ["the run", "its board"])
@pytest.mark.parametrize("before", ["start", "record"])
def test_records_that_came_while_the_tracker_was_missing_are_sent_once(tmp_path, made, record, before, home):
    path = tmp_path / "board" / "runs" / "digits" / "ppca" / made.id
    shutil.copytree(made.path, path)
    if home == "its board":
        (path / "records").rename(tmp_path / "board" / "records")
    run = Run(path, made.config)
    (score,) = record.scores
    name, images = f"{'scores' if record.training.weights == 'ema' else 'scores_raw'}/mse", record.training.images
    later = dataclasses.replace(record, scores=(dataclasses.replace(score, value=7.0),))

    def scores_sent(scored):
        kept = Kept(run, run.path)
        kept.scored = scored
        kept.on_event({"kind": "start", "images": images}) if before == "start" else kept.on_record(later)
        kept.on_event({"kind": "checkpoint", "images": images})
        return [each for each in sent(kept) if isinstance(each[1], dict)]

    told = [] if before == "start" else [(images, {name: 7.0})]
    assert scores_sent(set()) == [(images, {name: score.value}), *told]
    assert scores_sent({(name, images, 0.5)}) == [(images, {name: score.value}), *told]
    assert scores_sent({(name, images, score.value)}) == told
    assert scores_sent({(name, images, score.value), (name, images, 7.0)}) == []


def test_records_of_other_runs_of_a_board_are_left_out(tmp_path, made, record):
    path = tmp_path / "board" / "runs" / "digits" / "ppca" / "other"
    shutil.copytree(made.path, path)
    (path / "records").rename(tmp_path / "board" / "records")
    assert records_of(Run(path, made.config)) == []


def test_options_are_one_flat_table_and_runs_of_one_id_have_different_names(made, run):
    table = hyperparameters(made.config)
    assert (table["model"], table["dataset"]) == ("ppca", "digits")
    assert table["options.latent"] == made.config.options["latent"]
    assert all(isinstance(value, bool | int | float | str) for value in table.values())
    assert unique(made).startswith(f"{made.id}-")
    assert (made.store, run.store) == (made.path.absolute().parents[2], run.path.absolute().parent)
    (run.path / "run.json").write_text("{}")
    assert unique(run).partition("-")[2] != unique(made).partition("-")[2]


@pytest.mark.parametrize(("rewinds", "shown"), [(True, [10, 20, 30]), (False, [10, 20])])
def test_a_record_of_a_run_that_may_go_on_brings_no_lines_that_it_takes_back(record, run, rewinds, shown):
    record = dataclasses.replace(record, training=dataclasses.replace(record.training, images=20))
    logged(run, (10, {"loss": 2.0}), (20, {"loss": 1.0}), (30, {"loss": 0.5}))
    run.write_status(Status("failed", 30))
    kept = Kept(run, run.path)
    kept.rewinds = rewinds
    kept.on_record(record)
    assert [images for images, values in sent(kept) if "loss" in values] == shown


@pytest.mark.parametrize(("already", "shown"), [({"loss": 10}, []), ({}, [10, 20])])
def test_the_process_that_trains_sends_its_lines_itself(record, run, already, shown):
    logged(run, (10, {"loss": 2.0}), (20, {"loss": 1.0}))
    run.write_status(Status("running", 20))
    kept = Kept(run, run.path)
    kept.already = already
    with holding(run.lock()):
        kept.on_record(record)
    assert [images for images, values in sent(kept) if "loss" in values] == shown
    assert any("scores/mse" in values or "scores_raw/mse" in values for _, values in sent(kept))


def test_curves_that_were_taken_back_are_sent_again_in_tensorboard(run):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from genkit_trackers.tensorboard import TensorBoard, held_by

    folder = run.path / "tensorboard"
    folder.mkdir()
    logged(run, (10, {"loss": 2.0}), (20, {"loss": 1.0}))
    found = []
    for start, end in ((0, 20), (10, 10), (10, 10), (5, 5), (5, 5), (0, 20)):  # most are killed before a checkpoint
        board = TensorBoard(run, folder)
        board.on_event({"kind": "start", "images": start})
        if end > start:
            board.on_event({"kind": "checkpoint", "images": end})
        board.close()
        found.append(held_by(folder)[0].get("loss"))
    assert found == [20, 10, 10, None, None, 20]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scores/fid[digits-cnn]", "scores/fid digits-cnn"),
        ("generator/fake", "generator.fake"),
        ("../a//b/", "a..b"),
        ("", "unnamed"),
        ("loss (\N{GREEK SMALL LETTER BETA}=1)", "loss \N{GREEK SMALL LETTER BETA} 1"),
        ("x" * 300, "x" * 200),
    ],
)
def test_every_name_is_one_that_mlflow_takes(name, expected):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from genkit_trackers.mlflow import allowed
    from mlflow.utils.validation import _validate_metric, _validate_metric_name

    assert allowed(name) == expected
    _validate_metric_name(expected)
    _validate_metric(expected, 1.0, 0, 0)


def test_a_loss_and_its_parts_stand_beside_each_other_in_mlflow(run, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from genkit_trackers.mlflow import MLflow

    logged(run, (10, {"generator": 2.0, "generator/fake": 1.0}))
    board = MLflow(run, run.path)
    board.on_event({"kind": "start", "images": 0})
    board.on_event({"kind": "checkpoint", "images": 10})
    board.close()
    again = MLflow(run, run.path)
    again.on_event({"kind": "start", "images": 10})
    assert {"generator": 10, "generator/fake": 10}.items() <= again.held.items()


def test_a_score_beyond_float32_is_looked_up_without_an_error(run):
    pytest.importorskip("tensorboard", reason="uv sync --group integration installs tensorboard")
    from genkit_trackers.tensorboard import TensorBoard

    board = TensorBoard(run, run.path)
    board._points = {("fid", 5, float("inf")), ("kid", 5, 0.10000000149011612)}
    assert board.has_score(5, "fid", 8e73) and board.has_score(5, "kid", 0.1)
    assert not board.has_score(5, "kid", 0.2)
