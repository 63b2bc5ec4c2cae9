"""The options of an evaluation: names in any case and form, parameters of metrics that are used or refused."""

from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import OptionsError, UnknownName, UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.metrics import authenticity, cmmd_distance, kernel_distance, vendi_score


@pytest.fixture(scope="module")
def measured(digits):
    def made(**options):
        return compare(digits.test, digits, count=300, features="random-conv", **options).record

    return made


def test_names_are_given_one_by_one_or_with_commas():
    assert EvalConfig(metrics="fid, kid").wanted == EvalConfig(metrics=["fid", "kid"]).wanted == ["fid", "kid"]
    assert EvalConfig(metrics=("fid,kid", "is")).wanted == ["fid", "kid", "is"]
    assert EvalConfig(metrics="all").wanted is None and EvalConfig().wanted is None
    assert EvalConfig(features="inception,pixels").extractors == ["inception", "pixels"]


@pytest.mark.parametrize("options", [{"metrics": ""}, {"metrics": []}, {"metrics": [3]}, {"features": ","}])
def test_names_that_are_none_are_refused(options):
    with pytest.raises(UsageError, match="is empty: give one name|is not a name"):
        EvalConfig(**options)


def test_metrics_are_found_in_any_case_and_measured_once(measured):
    record = measured(metrics="FID,KID,fid")
    assert [score.name for score in record.scores] == ["fid[random-conv]", "kid[random-conv]"]


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"kdi": {"subsets": 3}}, UnknownName, "Did you mean 'kid'"),
        ({"kid": {"subset": 3}}, OptionsError, "Did you mean 'subsets'"),
        ({"kid": {"subsets": -3}}, OptionsError, "from 0 to"),
        ({"kid": 3}, UsageError, "a mapping of names to values"),
        ({"kid": {"subsets": 3}, "KID": {"subsets": 4}}, UsageError, "given twice"),
    ],
)
def test_parameters_that_no_metric_has_are_refused_at_once(parameters, error, words):
    with pytest.raises(error, match=words):
        EvalConfig(parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"recall": {"k": 4}}, "recall.k: recall is not among the metrics to measure"),
        ({"kid": {"size": 50}}, "kid.size has no effect while kid.subsets is 0: set kid.subsets too"),
    ],
)
def test_parameters_that_would_not_be_used_are_refused(measured, parameters, words):
    with pytest.raises(UsageError, match=words):
        measured(metrics=["kid", "fid"], parameters=parameters)


@pytest.mark.parametrize(
    ("metric", "given"),
    [
        ("kid", {"degree": 2}),
        ("kid", {"subsets": 7, "size": 40}),
        ("cmmd", {"sigma": 1}),
        ("vendi", {"q": 2}),
        ("authpct", {"k": 3}),
        ("precision", {"k": 5}),
        ("coverage", {"strict": False, "k": 2}),
        ("fid", {"ddof": 0}),
        ("fid_inf", {"sizes": 5}),
    ],
)
def test_what_is_given_moves_the_number_and_is_recorded(measured, metric, given):
    usual, other = (measured(metrics=metric.upper(), parameters=p).scores[0] for p in ({}, {metric.upper(): given}))
    assert other.value != usual.value
    assert other.fingerprint != usual.fingerprint
    assert {f"parameters.{key}": value for key, value in given.items()}.items() <= other.choices.items()
    default = {key.removeprefix("parameters."): v for key, v in usual.choices.items() if key.startswith("parameters.")}
    assert measured(metrics=metric, parameters={metric: default}).scores[0].fingerprint == usual.fingerprint


def test_the_new_parameters_at_their_defaults_leave_the_fingerprint(measured):
    new = {"kid": {"degree": 3}, "cmmd": {"sigma": 10}, "vendi": {"q": 1}, "authpct": {"k": 1}}
    names = list(new)
    usual, given = measured(metrics=names), measured(metrics=names, parameters=new)
    assert [each.fingerprint for each in usual.scores] == [each.fingerprint for each in given.scores]
    assert usual.protocol["parameters"] == given.protocol["parameters"] == {"kid": {"subsets": 0}}


def test_subsets_switched_off_leave_nothing_of_the_protocols(measured):
    off = measured(metrics="kid", protocol="torch-fidelity", parameters={"kid": {"subsets": 0}})
    assert off.protocol["parameters"]["kid"] == {"subsets": 0}
    assert off.scores[0].value == measured(metrics="kid").scores[0].value


def test_the_array_functions_take_the_same_parameters():
    random = np.random.default_rng(0)
    one, two = random.normal(size=(80, 6)), random.normal(0.3, 1.0, size=(70, 6))
    products = (two @ two.T / 6 + 1) ** 2, (one @ one.T / 6 + 1) ** 2, (one @ two.T / 6 + 1) ** 2
    within = sum((p.sum() - np.trace(p)) / (len(p) * (len(p) - 1)) for p in products[:2])
    assert kernel_distance(one, two, degree=2).value == pytest.approx(within - 2 * products[2].mean(), rel=1e-9)

    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, two)]

    def mean(x, y):
        return np.exp(-((x[:, None] - y[None]) ** 2).sum(axis=2) / (2 * 1.5**2)).mean()

    expected = 1000 * (mean(unit[0], unit[0]) + mean(unit[1], unit[1]) - 2 * mean(*unit))
    assert cmmd_distance(one, two, sigma=1.5).value == pytest.approx(expected, rel=1e-9)

    values = np.linalg.eigvalsh(unit[1] @ unit[1].T / len(two)).clip(0)
    for q in (0.5, 2.0, 5.0):
        assert vendi_score(two, q=q).value == pytest.approx((values[values > 1e-12] ** q).sum() ** (1 / (1 - q)))
    assert vendi_score(two, q=np.inf).value == pytest.approx(1 / values.max())

    apart = np.linalg.norm(one[:, None] - one[None], axis=2)
    radii = np.sort(apart, axis=1)[:, 4]
    across = np.linalg.norm(two[:, None] - one[None], axis=2)
    expected = 100 * np.mean(across.min(axis=1) > radii[across.argmin(axis=1)])
    assert authenticity(one, two, k=4).value == pytest.approx(expected)
    for wrong in (lambda: cmmd_distance(one, two, sigma=0), lambda: vendi_score(two, q=0)):
        with pytest.raises(UsageError, match="above 0"):
            wrong()
    with pytest.raises(UsageError, match="at least 1"):
        authenticity(one, two, k=0)
