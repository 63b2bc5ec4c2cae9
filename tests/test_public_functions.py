"""Everything a command does is a function of genkit, and no public function is hidden by a module of its name."""

from __future__ import annotations

import importlib.util
import inspect
import re

import pytest

import genkit
from genkit import metrics
from genkit.registry.discovery import CORE, registry
from genkit.registry.specs import CommandSpec

LIST_OR_ADMINISTER = {
    *("runs", "records", "models", "datasets", "features", "weights", "metrics", "plugins", "cache"),
    *("new", "completion"),
}
"""Commands that list what is there, or look after files: not the library's business."""
OTHER_NAMES = {"eval": "evaluate"}
"""eval is Python's own."""
WITHOUT_COMMAND = {
    "calibrate": "genkit eval --calibrate",
    "describe_dataset": "genkit datasets show",
    "resume": "genkit train --resume",
    "sample_to_folder": "genkit sample --out",
    "sweep": "genkit eval --sweep",
    "load": "a model, for code alone",
    "load_extractor": "an extractor, for code alone",
    "open_dataset": "a data set, for code alone",
    "open_images": "a set of images, for code alone",
}


def functions(module):
    return {name for name in module.__all__ if inspect.isfunction(getattr(module, name))}


def test_commands_and_functions_are_the_same_list():
    commands = {offer.spec.name for offer in registry().offers(CommandSpec) if offer.plugin.dist == CORE}
    assert commands >= LIST_OR_ADMINISTER
    named = {OTHER_NAMES.get(name, name) for name in commands - LIST_OR_ADMINISTER}
    assert functions(genkit) == named | set(WITHOUT_COMMAND)


@pytest.mark.parametrize("module", [genkit, metrics], ids=["genkit", "genkit.metrics"])
def test_no_public_function_has_the_name_of_a_module(module):
    hidden = [name for name in functions(module) if importlib.util.find_spec(f"{module.__name__}.{name}")]
    assert hidden == []


@pytest.mark.parametrize("name", sorted(functions(genkit)))
def test_a_public_function_says_what_it_raises(name):
    assert re.search("raise|errors", inspect.getdoc(getattr(genkit, name)) or "", re.IGNORECASE)
