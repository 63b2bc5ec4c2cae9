"""Milestones: measured once, by one metric, without pictures, and only where they are whole models."""

from __future__ import annotations

import pytest

from genkit.errors import GenkitWarning, MissingError, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import measure_run, subject_of
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.milestones import measure_milestones
from genkit.results import store
from genkit.training.api import train
from genkit.training.runs import load


def evaluator_of(data, *metrics, **more):
    return Evaluator(data, EvalConfig(count=60, chunk=30, metrics=metrics or None, **more))


@pytest.fixture(scope="module")
def gan(digits, tmp_path_factory):
    """A run with averages, which has been measured nowhere."""
    return train("gan", digits, images=384, batch=64, milestones=2, root=tmp_path_factory.mktemp("runs"), device="cpu")


def records(folder):
    return store.read(folder).records


def test_they_are_measured_once_for_each_protocol_and_kind_of_weights(gan, digits, tmp_path):
    first = measure_milestones(gan, evaluator_of(digits, "fid"), tmp_path)
    assert [reached.images for reached in first] == [128, 256]
    assert measure_milestones(gan, evaluator_of(digits, "fid", "kid"), tmp_path) == first
    assert len(records(tmp_path)) == 2
    raw = measure_milestones(gan, evaluator_of(digits, "fid"), tmp_path, raw=True)
    assert [each.training.weights for each in records(tmp_path)] == ["ema"] * 2 + ["raw"] * 2
    assert {reached.score.value for reached in raw}.isdisjoint(reached.score.value for reached in first)
    measure_milestones(gan, evaluator_of(digits, "fid", seed=1), tmp_path)
    assert len(records(tmp_path)) == 6


def test_the_metric_is_the_first_that_the_model_can_have(gan, digits, tmp_path):
    measure_milestones(gan, evaluator_of(digits, "mse", "kid", "fid"), tmp_path)
    measure_milestones(gan, evaluator_of(digits), tmp_path)
    assert [[score.metric for score in each.scores[:1]] for each in records(tmp_path)] == [["kid"]] * 2 + [["fid"]] * 2


def test_a_model_that_has_none_of_the_metrics_is_told_so(gan, digits, tmp_path):
    with pytest.raises(UsageError, match=r"none of the metrics mse \(gan does not reconstruct\), elbo \(gan has no"):
        measure_milestones(gan, evaluator_of(digits, "mse", "elbo"), tmp_path)


def test_a_run_without_milestones_is_told_so(toy_models, digits, tmp_path):
    run = train("toy-closed", digits, root=tmp_path, device="cpu")
    with pytest.raises(MissingError, match="has no milestones: genkit train --milestones"):
        measure_milestones(run, evaluator_of(digits, "fid"), tmp_path)


def test_no_picture_is_made_of_them(gan, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("genkit.evaluation.evaluator.exhibits", lambda gathered: pytest.fail("a picture was made"))
    measure_milestones(gan, evaluator_of(digits, "fid"), tmp_path)
    assert [store.exhibits(tmp_path, each.id) for each in records(tmp_path)] == [{}, {}]


def test_those_before_a_stage_that_is_trained_are_left_out(toy_models, digits, tmp_path):
    run = train("toy-stages", digits, images=640, batch=16, milestones=3, root=tmp_path / "runs", device="cpu")
    with pytest.warns(GenkitWarning) as warned:
        done = measure_milestones(run, evaluator_of(digits, "fid"), tmp_path)
    assert [reached.images for reached in done] == [480]
    (line,) = [str(warning.message) for warning in warned]
    assert line.startswith(f"2 of 3 milestones of run {run.path} are not measured: toy-stages had a stage")


def test_those_of_a_model_with_a_closed_form_to_come_are_of_the_fitted_model(digits, tmp_path):
    run = train("rae-gmm", digits, images=1280, batch=64, milestones=1, root=tmp_path / "runs", device="cpu")
    evaluator = evaluator_of(digits, "fid")
    (reached,) = measure_milestones(run, evaluator, tmp_path)
    (path,) = run.milestones()
    assert measure_run(run, evaluator, path).record.scores[0].value == reached.score.value
    unfitted = evaluator.measure(subject_of(run, load(run)), model=load(run, checkpoint_path=path)).record.scores[0]
    assert unfitted.value != reached.score.value
