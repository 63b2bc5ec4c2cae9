"""A score is measured again only if no record has it under the same protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genkit.evaluation.already_measured import fingerprints, missing
from genkit.evaluation.calibration import calibrate
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate
from genkit.evaluation.evaluator import Evaluator
from genkit.registry.specs import MetricSpec
from genkit.training.api import train
from genkit.training.runs import load


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return train("noise", digits, root=tmp_path_factory.mktemp("runs"))


def evaluator_of(digits, **options):
    return Evaluator(digits, EvalConfig(**{"count": 60, "chunk": 30, "metrics": ("fid", "mse"), **options}))


def test_the_fingerprints_are_those_of_the_record(run, digits):
    evaluator = evaluator_of(digits)
    record = evaluate(run, evaluator=evaluator).record
    (fid, _) = evaluator.specs
    assert fingerprints(evaluator, fid, load(run), 60) == {score.name: score.fingerprint for score in record.scores}


def test_what_a_record_has_or_explains_is_not_missing(run, digits):
    evaluator, model = evaluator_of(digits), load(run)
    record = evaluate(run, evaluator=evaluator).record
    assert "mse" in record.absent
    assert missing(evaluator, [], evaluator.specs, model, 60) == ["fid[digits-cnn]", "mse"]
    assert missing(evaluator, [record], evaluator.specs, model, 60) == []
    other = evaluator_of(digits, seed=1)
    assert missing(other, [record], other.specs, model, 60) == ["fid[digits-cnn]", "mse"]


@pytest.mark.parametrize(("error", "again"), [(OSError(5, "Input/output error"), ["odd"]), (ValueError("no"), [])])
def test_what_a_disk_failed_is_missing_again(run, digits, monkeypatch, error, again):
    def fail(*_):
        raise error

    monkeypatch.setattr("genkit.metrics.parameters.parameters", fail)
    evaluator, model = evaluator_of(digits), load(run)
    evaluator.specs += odd_metrics()[:1]
    evaluator.specs[-1] = replace(evaluator.specs[-1], depends_on=())
    record = evaluate(run, evaluator=evaluator).record
    assert record.absent["odd"].startswith("it failed: ")
    assert missing(evaluator, [record], evaluator.specs, model, 60) == again


class Raising(MetricSpec):
    """A spec of a plugin whose groups of choices can't be read."""

    @property
    def depends_on(self):
        raise ValueError("no luck")

    @depends_on.setter
    def depends_on(self, groups):
        pass


def odd_metrics():
    target = "genkit.metrics.parameters:parameters"
    raising = MetricSpec("raising", target)
    object.__setattr__(raising, "__class__", Raising)
    return [MetricSpec("odd", target, depends_on=("weather",)), raising]


def test_a_metric_of_no_known_protocol_is_missing_until_a_record_says_why(run, digits):
    evaluator, model = evaluator_of(digits), load(run)
    evaluator.specs += odd_metrics()
    assert fingerprints(evaluator, evaluator.specs[-2], model, 60) == {"odd": ""}
    assert missing(evaluator, [], evaluator.specs, model, 60) == ["fid[digits-cnn]", "mse", "odd", "raising"]
    record = evaluate(run, evaluator=evaluator).record
    assert "names the protocol group 'weather'" in record.absent["odd"] and "no luck" in record.absent["raising"]
    assert missing(evaluator, [record], evaluator.specs, model, 60) == []


def test_a_metric_of_no_known_protocol_costs_the_calibration_nothing(digits, tmp_path):
    evaluator = evaluator_of(digits, metrics=("mse",))
    evaluator.specs += odd_metrics()
    (done,) = calibrate(evaluator, tmp_path)  # of the baselines ppca alone reconstructs
    assert [score.name for score in done.record.scores] == ["mse"]
    assert {"odd", "raising"} <= set(done.record.absent)
