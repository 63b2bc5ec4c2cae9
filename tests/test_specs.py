from __future__ import annotations

import pytest

from genkit.errors import PluginError
from genkit.specs import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec


@pytest.mark.parametrize("name", ["", "Big", "a b", "-a", "a/b", "../x", "a:b", 3, None])
def test_a_bad_name_is_refused(name):
    with pytest.raises(PluginError, match="model name"):
        ModelSpec(name, "module:attribute")


@pytest.mark.parametrize("target", ["", "module", "module:", ":attribute", "a b:c", "a:b:c", "a-b:c", None])
def test_a_target_that_is_no_module_and_attribute_is_refused(target):
    with pytest.raises(PluginError, match="target"):
        MetricSpec("fid", target)


@pytest.mark.parametrize("cls", [ModelSpec, DatasetSpec, FeatureSpec, MetricSpec, CommandSpec])
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
