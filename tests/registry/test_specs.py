from __future__ import annotations

import dataclasses

import pytest

from genkit.errors import PluginError
from genkit.registry import specs
from genkit.registry.specs import (
    CommandSpec,
    DatasetSpec,
    EngineSpec,
    FeatureSpec,
    MetricSpec,
    ModelSpec,
    TextEncoderSpec,
)


@pytest.mark.parametrize("name", ["", "Big", "a b", "-a", "a/b", "../x", "a:b", 3, None])
def test_a_bad_name_is_refused(name):
    with pytest.raises(PluginError, match="model name"):
        ModelSpec(name, "module:attribute")


@pytest.mark.parametrize("target", ["", "module", "module:", ":attribute", "a b:c", "a:b:c", "a-b:c", None])
def test_a_target_that_is_no_module_and_attribute_is_refused(target):
    with pytest.raises(PluginError, match="target"):
        MetricSpec("fid", target)


@pytest.mark.parametrize(
    "cls", [ModelSpec, DatasetSpec, FeatureSpec, MetricSpec, EngineSpec, CommandSpec, TextEncoderSpec]
)
def test_a_target_is_imported_on_load_only(cls):
    assert cls("x", "collections:OrderedDict.fromkeys").load().__name__ == "fromkeys"
    spec = cls("x", "no_such_module_anywhere:thing")
    with pytest.raises(PluginError, match=f"{cls.kind} 'x' can't be loaded.*ModuleNotFoundError"):
        spec.load()


def test_a_missing_attribute_says_which():
    with pytest.raises(PluginError, match="AttributeError.*nothing_here"):
        ModelSpec("x", "collections:nothing_here").load()


def test_an_unknown_field_is_an_error():
    with pytest.raises(TypeError, match="colour"):
        ModelSpec("x", "a:b", colour="red")


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (ModelSpec, "family", None),
        (ModelSpec, "summary", 3),
        (DatasetSpec, "argument", None),
        (FeatureSpec, "dim", "64"),
        (MetricSpec, "needs", "features"),
        (MetricSpec, "depends_on", (1,)),
        (MetricSpec, "direction", "up"),
        (MetricSpec, "parameters", [1]),
        (MetricSpec, "also_at_test_size", 1),
        (EngineSpec, "summary", None),
        (CommandSpec, "group", None),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_and_named(cls, field, value):
    with pytest.raises(PluginError, match=f"{cls.kind} 'x' has {field} "):
        cls("x", "a:b", **{field: value})


def test_every_field_of_every_spec_has_a_check():
    for cls in (ModelSpec, DatasetSpec, FeatureSpec, MetricSpec, EngineSpec, CommandSpec, TextEncoderSpec):
        assert {field.type for field in dataclasses.fields(cls)} <= set(specs._TYPE_CHECKS)


def test_an_exit_in_a_targets_module_is_a_broken_plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    with pytest.raises(PluginError, match="SystemExit: 0"):
        ModelSpec("x", "leaves:Model").load()
