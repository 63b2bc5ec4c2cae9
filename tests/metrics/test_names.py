"""The names of modules and public functions."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from genkit import metrics
from genkit.registry.builtins.metrics import genkit_metrics

SPECS = list(genkit_metrics())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_each_metric_has_a_module_of_its_name_with_a_function_of_its_name(spec):
    name = {"is": "is_"}.get(spec.name, spec.name)
    assert spec.target == f"genkit.metrics.{name}:{name}"
    assert callable(spec.load())


def test_every_module_is_a_metric_or_the_evidence():
    modules = {module.name for module in pkgutil.iter_modules(metrics.__path__)}
    assert modules == {"is_" if spec.name == "is" else spec.name for spec in SPECS} | {"evidence", "numerics"}


def test_no_public_name_is_a_submodule():
    for module in pkgutil.walk_packages(metrics.__path__, "genkit.metrics."):
        importlib.import_module(module.name)
    assert not set(metrics.__all__) & {module.name for module in pkgutil.iter_modules(metrics.__path__)}
    assert [name for name in metrics.__all__ if not callable(getattr(metrics, name))] == []


def test_public_names_are_sorted():
    assert metrics.__all__ == sorted(metrics.__all__)
