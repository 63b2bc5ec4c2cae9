"""One metric that fails costs no other its number, and no number is stored that is not finite."""

from __future__ import annotations

import dataclasses
import errno
import math
import os
import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch

from genkit.errors import GenkitError, GenkitWarning, Interrupted, MissingError, PluginError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.metrics import mean_score
from genkit.models.base import GenerativeModel
from genkit.plugin import MetricSpec
from genkit.registry.discovery import Registry, registry
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
    ("score", "words"),
    [
        (dataclasses.replace(SOUND, value=math.nan), "its value is not finite"),
        (dataclasses.replace(SOUND, value=np.float32("inf")), "its value is not finite"),
        (dataclasses.replace(SOUND, value=1e200), "its value is beyond 1e100"),
        (dataclasses.replace(SOUND, stderr=math.nan), "its standard error is not finite"),
        (dataclasses.replace(SOUND, ci_low=-math.inf), "its interval is not finite"),
        (dataclasses.replace(SOUND, replicates=(1.0, math.nan)), "its jackknife value is not finite"),
        (dataclasses.replace(SOUND, replicates=None), "TypeError: 'NoneType' object is not iterable"),
        (dataclasses.replace(SOUND, parts={"a": math.nan}), "its part is not finite"),
        (dataclasses.replace(SOUND, value="3"), "its value is str, not a number"),
        (dataclasses.replace(SOUND, value=np.ones(2)), "its value is ndarray, not a number"),
        (dataclasses.replace(SOUND, value=None), "its value is NoneType, not a number"),
        (dataclasses.replace(SOUND, n=2.5), "its n is float, not int"),
        (dataclasses.replace(SOUND, note=None), "its note is NoneType, not str"),
        (dataclasses.replace(SOUND, method=3), "its method is int, not str"),
        (dataclasses.replace(SOUND, rankable="yes"), "its rankable is str, not bool"),
        (3.0, "metric 'odd' returned float, not a Score"),
        (np.float32(3), "metric 'odd' returned float32, not a Score"),
        (None, "metric 'odd' returned NoneType, not a Score"),
    ],
)
def test_what_is_no_finite_score_is_absent(digits, monkeypatch, score, words):
    monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence: score)
    record = measure(digits, MetricSpec("odd", "genkit.metrics:mean_score"))
    assert record.absent == {"odd": words}
    assert from_json(to_json(record).encode(), "record").score("parameters") is not None


class Odd(BaseException):
    """As a plugin may have one."""


@pytest.mark.parametrize(
    "error",
    [
        Odd("x"),
        SystemExit(3),
        GeneratorExit("x"),
        Interrupted("stopped"),
        MissingError("x"),
        PluginError("x"),
        OSError(2, "gone"),
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError("much"),
    ],
)
def test_whatever_a_plugins_metric_raises_costs_that_metric_alone(digits, monkeypatch, error):
    plugin = types.ModuleType("stranger")

    def failing(evidence):
        raise error

    plugin.failing = failing
    monkeypatch.setitem(sys.modules, "stranger", plugin)
    record = measure(digits, MetricSpec("failing", "stranger:failing"))
    assert list(record.absent) == ["failing"] and record.absent["failing"].startswith("it failed: ")
    assert record.score("parameters") is not None


def test_a_plugins_metric_that_exits_costs_itself_alone(digits, monkeypatch):
    plugin = types.ModuleType("stranger")
    plugin.leaving = lambda evidence: os._exit(0)
    monkeypatch.setitem(sys.modules, "stranger", plugin)
    record = measure(digits, MetricSpec("leaving", "stranger:leaving"))
    assert record.absent == {"leaving": "it failed: it calls os._exit, which would end genkit"}


def test_a_plugins_metric_is_told_by_name_while_it_runs(digits, monkeypatch):
    told = []
    monkeypatch.setattr("genkit.registry.fence.tell", told.append)
    module = types.ModuleType("slow_metric")
    module.work = lambda evidence: told.append("at work") or SOUND
    monkeypatch.setitem(sys.modules, "slow_metric", module)
    measure(digits, MetricSpec("slow", "slow_metric:work"))
    name = "metric 'slow' of slow_metric:work"
    assert told[told.index("at work") - 1] == name and told[-1] == ""


def test_a_metric_that_names_no_group_of_the_protocol_costs_itself_alone(digits):
    record = measure(digits, MetricSpec("odd", "genkit.metrics.parameters:parameters", depends_on=("weather",)))
    assert "names the protocol group 'weather'" in record.absent["odd"]


def test_the_user_stops_a_metric(digits, monkeypatch):
    for error in (KeyboardInterrupt(), Interrupted("stopped")):
        code = {"__name__": "genkit.training.loop", "error": error}
        monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence, code=code: exec("raise error", code))
        with pytest.raises(type(error)):
            measure(digits, MetricSpec("slow", "genkit.metrics:mean_score"))


def test_a_full_disk_ends_the_evaluation_in_a_sentence(digits, monkeypatch):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("genkit.metrics.mean_score", lambda evidence: (_ for _ in ()).throw(full))
    with pytest.raises(GenkitError, match="odd can't be measured: No space left on device: make room"):
        measure(digits, MetricSpec("odd", "genkit.metrics:mean_score"))


def test_numbers_of_numpy_are_stored_as_numbers(digits, monkeypatch):
    numbers = {"stderr": torch.tensor(0.5), "ci_low": np.array(1.0), "n": np.int64(5), "rankable": np.bool_(True)}
    replicates = tuple(np.ones(3, np.float32))
    found = dataclasses.replace(SOUND, value=np.float32(1.5), replicates=replicates, **numbers)
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


TAKING = """
from genkit.plugin import *
from genkit.results.score import Score

@hookimpl
def genkit_metrics():
    yield MetricSpec('fid', 'taking:work', needs=('features',), depends_on=('data', 'samples', 'features'),
                     parameters={'ddof': 3})

def work(evidence):
    return Score(0.001, 0.0, 0.001, 0.001, 'm', 3)
"""


def test_a_plugins_metric_with_a_name_of_genkits_own_has_a_column_and_fingerprint_of_its_own(
    digits, tmp_path, monkeypatch
):
    def measured(metrics):
        evaluator = Evaluator(digits, EvalConfig(count=60, metrics=metrics, features="pixels"))
        record = evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info())).record
        return {score.name: score for score in record.scores}, record

    (before,) = measured("fid")[0].values()
    (tmp_path / "taking.py").write_text(TAKING)
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry([EntryPoint("zoo", "taking", "genkit")])
    monkeypatch.setattr(registry(), "plugins", found.plugins)
    with pytest.warns(GenkitWarning, match="metric 'fid' is genkit's own; a plugin's is 'zoo:fid'"):
        scores, record = measured("fid,zoo:fid")
    assert sorted(scores) == ["fid[pixels]", "zoo:fid[pixels]"]
    own, other = scores["fid[pixels]"], scores["zoo:fid[pixels]"]
    assert (own.value, own.fingerprint) == (before.value, before.fingerprint)
    assert (other.value, other.metric, other.choices["parameters.ddof"]) == (0.001, "zoo:fid", 3)
    assert other.fingerprint != own.fingerprint
    assert from_json(to_json(record), "x") == record
