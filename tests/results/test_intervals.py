"""Intervals of new and of old scores are made by one function, and hold the value."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from making import record, score
from scipy import stats

from genkit.metrics import cmmd_distance, frechet_distance, inception_score
from genkit.results.intervals import jackknife_interval, t_quantile, variance
from genkit.results.records import from_json, to_json

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(
    path
    for folder in ("benchmarks/results", "tests/fixtures/runs", "tests/results/records")
    for path in (ROOT / folder).rglob("*.json")
    if path.parent.name == "records"
)


def as_read(made, *, method, ends, rankable=True):
    """The score as a record of before stored it, read again."""
    stored = score(
        made.value,
        stderr=made.stderr,
        ci_low=ends[0],
        ci_high=ends[1],
        method=method,
        replicates=made.replicates,
        rankable=rankable,
    )
    return from_json(to_json(record("gan", stored)), "x").scores[0]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_every_value_of_a_committed_record_lies_in_its_interval(path):
    for each in from_json(path.read_bytes(), str(path)).scores:
        assert each.ci_low <= each.value <= each.ci_high, each.name


def test_reading_changes_the_interval_alone():
    path = next(path for path in COMMITTED if b"bias-corrected" in path.read_bytes())
    read, stored = from_json(path.read_bytes(), str(path)), json.loads(path.read_bytes())
    for each, plain in zip(read.scores, stored["scores"], strict=True):
        for name in ("name", "value", "stderr", "n", "note", "rankable"):
            assert getattr(each, name) == plain[name]
        assert list(each.replicates) == plain["replicates"]
        assert each.fingerprint == plain["fingerprint"]
        if "bias" not in plain["method"]:
            assert (each.method, each.ci_low, each.ci_high) == (plain["method"], plain["ci_low"], plain["ci_high"])


def features(n, d=6, shift=0.0):
    return np.random.default_rng(n).standard_normal((n, d)) + shift


@pytest.mark.parametrize("metric", [frechet_distance, cmmd_distance])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_an_old_distance_gets_the_interval_of_a_new_one(metric, shift):
    made = metric(features(80), features(90, shift=shift))
    old = as_read(made, method="bias-corrected two-sample block jackknife", ends=(0.0, made.value / 2))
    assert (old.ci_low, old.ci_high, old.method) == (made.ci_low, made.ci_high, made.method)


def test_an_old_distance_of_too_few_gets_the_interval_of_a_new_one():
    made = frechet_distance(features(30, d=40), features(35, d=40))
    method = "two-sample block jackknife above the value, 0 below: the bias of so few is not known"
    old = as_read(made, method=method, ends=(0.0, made.ci_high), rankable=False)
    assert (old.ci_low, old.ci_high, old.method) == (made.ci_low, made.ci_high, made.method)
    assert old.ci_low > 0


@pytest.mark.parametrize("certainty", [1.0, 20.0])
def test_an_old_inception_score_gets_the_interval_of_a_new_one(certainty):
    logits = np.eye(5)[np.random.default_rng(0).integers(5, size=300)] * certainty
    made = inception_score(logits)
    corrected = made.value - 19 * (np.mean(made.replicates) - made.value)
    half = t_quantile(19) * made.stderr
    ends = max(corrected - half, 1.0), min(corrected + half, 5.0)
    old = as_read(made, method="bias-corrected block jackknife", ends=ends)
    assert (old.ci_low, old.ci_high, old.method) == (made.ci_low, made.ci_high, made.method)
    assert old.ci_high <= 5


def test_a_score_without_replicates_keeps_its_interval():
    made = dataclasses.replace(frechet_distance(features(80), features(90)), replicates=())
    old = as_read(made, method="bias-corrected two-sample block jackknife", ends=(0.1, 0.2))
    assert (old.ci_low, old.ci_high) == (0.1, 0.2)


def test_of_one_sample_it_is_students_interval():
    deleted = [1.0, 2.0, 4.0]
    stderr, low, high = jackknife_interval(3.0, deleted)
    assert stderr == pytest.approx(np.sqrt(2 * np.var(deleted)))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 2, 3.0, stderr))


def test_of_two_samples_variances_add_with_welchs_degrees_of_freedom():
    one, two = [1.0, 2.0, 4.0], [5.0, 5.5, 6.0, 7.0]
    stderr, low, high = jackknife_interval(3.0, one, two)
    parts = variance(one), variance(two)
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 3)
    assert stderr == pytest.approx(np.sqrt(sum(parts)))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, degrees, 3.0, stderr))


def test_values_that_do_not_differ_have_no_width():
    assert jackknife_interval(3.0, [1.0, 1.0], [2.0, 2.0]) == (0.0, 3.0, 3.0)
