from __future__ import annotations

import pytest

from genkit.errors import GenkitError
from genkit.results.protocol import Protocol, difference, fingerprint

PROTOCOL = Protocol(
    data={"name": "digits"},
    samples={"count": 5000},
    features={"extractor": "digits-cnn"},
    likelihood={"observation": "gaussian"},
    parameters={"nll": {"importance_samples": 64}},
)


def test_choices_are_those_of_the_named_groups():
    assert PROTOCOL.choices("fid", ("data", "samples")) == {"data.name": "digits", "samples.count": 5000}
    assert PROTOCOL.choices("fid", ()) == {}


def test_the_parameters_of_a_metric_are_its_own():
    assert PROTOCOL.choices("nll", ("likelihood",)) == {
        "likelihood.observation": "gaussian",
        "parameters.importance_samples": 64,
    }


@pytest.mark.parametrize("name", ["feature", "choices", "__dict__", "parameters"])
def test_an_unknown_group_is_an_error(name):
    with pytest.raises(GenkitError, match="there are data, samples, features, likelihood, hardware"):
        PROTOCOL.choices("fid", (name,))


def test_the_order_of_choices_does_not_matter():
    assert fingerprint({"a": 1, "b": {"x": 1, "y": 2}}) == fingerprint({"b": {"y": 2, "x": 1}, "a": 1})


def test_the_fingerprint_of_given_choices_never_changes():
    """Old records hold it: a board must go on to compare them with new ones."""
    assert fingerprint({"data.name": "digits", "samples.count": 5000}) == "4d1c02d7ddae"


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1.0}, {"a": True}, {"b": 1}, {"a": 1, "b": None}, {}])
def test_any_other_choice_is_another_fingerprint_and_is_said(other):
    one = {"a": 1}
    assert fingerprint(other) != fingerprint(one)
    assert difference(one, other)


def test_a_tuple_and_the_list_that_json_makes_of_it_are_equal():
    assert fingerprint({"a": (1, 2)}) == fingerprint({"a": [1, 2]})
    assert difference({"a": (1, 2)}, {"a": [1, 2]}) == []


def test_a_choice_that_is_not_finite_has_no_fingerprint():
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": float("nan")})


def test_difference_says_both_sides_and_shortens_hashes():
    one = {"samples.count": 5000, "data.sha256": "a" * 64, "same": 1}
    other = {"samples.count": 1000, "data.sha256": "b" * 64, "same": 1, "new": 2}
    assert difference(one, other) == [
        f"data.sha256 {'a' * 12} / {'b' * 12}",
        "new - / 2",
        "samples.count 5000 / 1000",
    ]
