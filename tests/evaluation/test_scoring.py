"""One metric that fails costs no other its number, and no number is stored that is not finite."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from genkit.errors import PluginError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.metrics import mean_score
from genkit.models.base import GenerativeModel
from genkit.plugin import MetricSpec
from genkit.results.records import Subject, from_json, to_json
from genkit.training.runs import make_model

SOUND = mean_score(np.arange(5.0))


def measure(digits, spec, *others, model="noise"):
    """Measure a model by one more metric than genkit has."""
    evaluator = Evaluator(digits, EvalConfig(count=60, metrics=others or ["parameters"], device="cpu"))
    evaluator.specs.insert(0, spec)
    made = make_model(model, {}, digits.info()) if isinstance(model, str) else model
    return evaluator.measure(Subject("noise"), model=made).record


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (np.linalg.LinAlgError("no convergence"), "it failed: LinAlgError: no convergence"),
        (ValueError("shapes\ndiffer"), "it failed: ValueError: shapes differ"),
        (KeyError("size"), "it failed: KeyError: 'size'"),
        (TypeError("not a number"), "it failed: TypeError: not a number"),
        (RuntimeError("mat1 and mat2"), "it failed: RuntimeError: mat1 and mat2"),
    ],
)
def test_a_metric_that_raises_is_absent_with_its_reason(digits, monkeypatch, error, words):
    def failing(evidence):
        raise error

    monkeypatch.setattr("genkit.metrics.mean_score", failing)
    record = measure(digits, MetricSpec("failing", "genkit.metrics:mean_score"))
    assert record.absent == {"failing": words}
    assert [score.name for score in record.scores] == ["parameters"]
    with pytest.raises(PluginError, match="it failed"):
        evaluator = Evaluator(digits, EvalConfig(count=60, metrics=["parameters"]))
        evaluator.specs = [MetricSpec("failing", "genkit.metrics:mean_score")]
        evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info()))


@pytest.mark.parametrize(
    "score",
    [
        dataclasses.replace(SOUND, value=math.nan),
        dataclasses.replace(SOUND, value=np.float32("inf")),
        dataclasses.replace(SOUND, stderr=math.nan),
        dataclasses.replace(SOUND, ci_low=-math.inf),
        dataclasses.replace(SOUND, replicates=(1.0, math.nan)),
        dataclasses.replace(SOUND, parts={"a": math.nan}),
        dataclasses.replace(SOUND, value="3"),
        3.0,
        None,
    ],
)
def test_what_is_no_finite_score_is_absent(digits, monkeypatch, score):
    monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence: score)
    record = measure(digits, MetricSpec("odd", "genkit.metrics:mean_score"))
    assert list(record.absent) == ["odd"]
    assert "finite" in record.absent["odd"] or "failed" in record.absent["odd"] or "not a Score" in record.absent["odd"]
    assert from_json(to_json(record).encode(), "record").score("parameters") is not None


def test_numbers_of_numpy_are_stored_as_numbers(digits, monkeypatch):
    found = dataclasses.replace(SOUND, value=np.float32(1.5), replicates=tuple(np.ones(3, np.float32)), n=np.int64(5))
    monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence: found)
    record = measure(digits, MetricSpec("single", "genkit.metrics:mean_score"))
    score = from_json(to_json(record).encode(), "record").score("single")
    assert (score.value, score.replicates, score.n) == (1.5, (1.0, 1.0, 1.0), 5)


def test_a_metric_that_can_not_be_imported_costs_itself_alone(digits):
    record = measure(digits, MetricSpec("gone", "no_such_module_anywhere:gone"))
    assert "can't be loaded" in record.absent["gone"]
    assert record.score("parameters") is not None


def test_too_few_images_for_density_leave_precision(digits):
    evaluator = Evaluator(
        digits, EvalConfig(count=5, metrics="precision,recall,density,coverage", features="random-conv")
    )
    evaluator.config = dataclasses.replace(evaluator.config, parameters={"density": {"k": 5000}})
    record = evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info())).record
    assert [score.metric for score in record.scores] == ["precision", "recall"]
    assert "at least 5001 are needed" in record.absent["density[random-conv]"]


class Speaking(GenerativeModel):
    """Draws grey images, and has words of its own."""

    def sample(self, n, *, generator, condition=None):
        return torch.rand(n, *self.data.shape, generator=generator)

    def tokens(self):
        return np.arange(4.0)


def test_a_need_that_genkit_does_not_know_is_a_method_of_the_model(digits, monkeypatch):
    monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence: mean_score(evidence.model.tokens()))
    spec = MetricSpec("words", "genkit.metrics:mean_score", needs=("tokens",))
    assert measure(digits, spec).absent == {"words": "noise has no tokens"}
    speaking = Speaking(Speaking.Options(), digits.info())
    assert measure(digits, spec, model=speaking).score("words").value == 1.5
