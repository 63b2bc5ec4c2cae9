"""Parameters of metrics: types, ranges, defaults, and what of them records hold."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from genkit.errors import OptionsError, PluginError
from genkit.registry.builtins.metrics import genkit_metrics
from genkit.registry.parameters import Parameter, checked_parameters, recorded, schema_of
from genkit.registry.specs import MetricSpec

SPECS = {spec.name: spec for spec in genkit_metrics()}

HELD = {
    "fid": {"ddof": 1, "mean_dtype": "float64"},
    "fid_inf": {"sizes": 15, "seed": 0},
    "kid": {"subsets": 0},
    "is": {"splits": 10, "rule": "torch-fidelity"},
    "precision": {"k": 3, "strict": False},
    "recall": {"k": 3, "strict": False},
    "density": {"k": 5, "strict": True},
    "coverage": {"k": 5, "strict": True},
    "ppl": {"epsilon": 1e-4, "pairs": 2000},
    "elbo": {"importance_samples": 1},
    "nll": {"importance_samples": 64},
    "bits_per_dim": {"importance_samples": 1},
    "active_units": {"threshold": 0.01},
    **{key: {} for key in ("cmmd", "vendi", "authpct", "mifid", "fid_per_class", "cas", "mse", "rfid", "latency")},
}
"""What records of these metrics have always held by default: fingerprints are made of it."""


@pytest.mark.parametrize("metric", HELD)
def test_what_a_record_holds_by_default_stays_what_it_was(metric):
    spec = SPECS[metric]
    held = recorded(spec.schema, spec.defaults)
    assert held == HELD[metric]
    assert {key: type(value) for key, value in held.items()} == {key: type(v) for key, v in HELD[metric].items()}


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_every_default_is_one_of_the_values_that_are_allowed(spec):
    assert checked_parameters(spec.schema, spec.defaults, spec.name) == spec.defaults
    assert all(each.summary and each.range for each in spec.schema.values())


@pytest.mark.parametrize(
    ("metric", "key", "value"),
    [
        *[("kid", "subsets", value) for value in (-1, 2.0, "2", True, None, [3])],
        *[("cmmd", "sigma", value) for value in (0, -1, float("nan"), float("inf"), "10", True)],
        *[("precision", "strict", value) for value in (0, 1, "true", None)],
        *[("is", "rule", value) for value in ("tf", 3, None)],
        ("fid", "ddof", 2),
        ("kid", "degree", 0),
    ],
)
def test_a_value_of_a_wrong_type_or_range_is_refused_with_what_it_may_be(metric, key, value):
    with pytest.raises(OptionsError, match=f"^{metric}.{key} = .* is not valid: it should be "):
        checked_parameters(SPECS[metric].schema, {key: value}, metric)


def test_numbers_become_the_defaults_type_so_that_one_value_has_one_fingerprint():
    kid, cmmd = SPECS["kid"].schema, SPECS["cmmd"].schema
    values = checked_parameters(kid, {"subsets": np.int64(5), "shrink": np.bool_(True)}, "kid")
    assert values == {"subsets": 5, "shrink": True}
    assert [type(value) for value in values.values()] == [int, bool]
    assert str(checked_parameters(cmmd, {"sigma": 2}, "cmmd")["sigma"]) == "2.0"
    assert type(checked_parameters(cmmd, {"sigma": np.float32(2)}, "cmmd")["sigma"]) is float


def test_an_unknown_name_is_refused_with_the_nearest_and_all_there_are():
    with pytest.raises(OptionsError, match=r"^kid has no parameter 'sizes'. Did you mean 'size'\?  \(it has subsets, "):
        checked_parameters(SPECS["kid"].schema, {"sizes": 3}, "kid")
    with pytest.raises(OptionsError, match=r"it has none"):
        checked_parameters(SPECS["mifid"].schema, {"k": 3}, "mifid")


def test_what_has_no_effect_is_not_recorded():
    schema, defaults = SPECS["kid"].schema, SPECS["kid"].defaults
    assert recorded(schema, {**defaults, "size": 50}) == {"subsets": 0}
    assert recorded(schema, {**defaults, "subsets": 9, "degree": 2}) == {
        "subsets": 9,
        "size": 1000,
        "seed": 2020,
        "shrink": False,
        "generated_first": True,
        "degree": 2,
    }


def test_plain_defaults_of_a_plugin_are_a_schema_by_their_types():
    spec = MetricSpec("nearest", "a:b", parameters={"k": 1, "how": "max"})
    assert spec.defaults == {"k": 1, "how": "max"}
    assert checked_parameters(spec.schema, {"k": 7}, "nearest") == {"k": 7}
    assert recorded(spec.schema, {"k": 7, "how": "max"}) == {"k": 7, "how": "max"}
    with pytest.raises(OptionsError, match="a whole number"):
        checked_parameters(spec.schema, {"k": "7"}, "nearest")


def test_a_parameter_that_goes_with_none_is_a_broken_spec():
    with pytest.raises(PluginError, match="goes with 'n', which it lacks"):
        schema_of({"k": Parameter(1, only_with="n")}, "nearest")


@pytest.mark.parametrize("default", [object(), float("nan"), {1: 2}, [1, {2}], np.ones(2)])
def test_a_default_that_no_record_can_hold_is_refused_where_it_is_declared(default):
    with pytest.raises(PluginError, match="parameter 'k' has the default"):
        MetricSpec("odd", "a:b", parameters={"k": default})


def test_a_default_of_numpy_is_pythons_number():
    assert type(MetricSpec("odd", "a:b", parameters={"k": Parameter(np.int64(3))}).defaults["k"]) is int


def test_of_a_file_or_folder_the_content_is_recorded(tmp_path):
    schema = schema_of({"weights": Parameter("", "a folder", path=True)}, "near")
    (tmp_path / "a.bin").write_bytes(b"one")
    first, of_file = (
        recorded(schema, checked_parameters(schema, {"weights": path}, "near"))["weights"]
        for path in (tmp_path, tmp_path / "a.bin")
    )
    assert of_file == hashlib.sha256(b"one").hexdigest() and first != of_file
    (tmp_path / "a.bin").write_bytes(b"three")
    assert recorded(schema, {"weights": str(tmp_path)})["weights"] != first
    assert recorded(schema, {"weights": ""}) == {"weights": ""}
    with pytest.raises(OptionsError, match="near.weights: there is no .*nowhere: check the path"):
        checked_parameters(schema, {"weights": str(tmp_path / "nowhere")}, "near")
