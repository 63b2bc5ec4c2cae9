"""Plugins with wrong hooks or specs, installed for real in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed import dist_info

from genkit.conformance import Examination, check
from genkit.registry.discovery import registry

MODEL = """
import torch
from genkit.models.base import GenerativeModel

class Uniform(GenerativeModel):
    def sample(self, n, *, generator, condition=None):
        return torch.rand(n, *self.data.shape, generator=generator)
"""
PLUGIN = """
from genkit.plugin import ModelSpec, hookimpl
{top}

@hookimpl
def genkit_models():
    {body}
    yield ModelSpec("{name}-uniform", "{name}_model:{target}", family="other", summary="{summary}")
"""
Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a plugin as pip would: modules and a dist-info folder on the path; gives the model's name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(
        name: str, top: str = "", body: str = "pass", target: str = "Uniform", summary: str = "Uniform noise"
    ) -> str:
        (tmp_path / f"{name}_model.py").write_text(MODEL)
        text = PLUGIN.format(name=name, top=top, body=body, target=target, summary=summary)
        (tmp_path / f"{name}_plugin.py").write_text(text)
        dist_info(tmp_path, name, {name: f"{name}_plugin"})
        registry.cache_clear()
        return f"{name}-uniform"

    registry.cache_clear()
    yield make
    registry.cache_clear()


def reason(model: str, name: str) -> str:
    result = Examination(model).result(name)
    return f"{result.status}: {result.reason}"


def test_a_sound_plugin_passes(install: Install) -> None:
    assert check(install("sound")).named("failed") == []


def test_a_plugin_that_imports_torch_is_heavy(install: Install) -> None:
    assert "failed: heavy_plugin imports torch" in reason(install("heavy", top="import torch"), "hooks-light")


def test_an_import_that_hides_behind_another_module_or_a_try_is_found(install: Install) -> None:
    assert "imports numpy" in reason(install("deep", top="import genkit.models.base"), "hooks-light")
    hidden = "try:\n    import numpy\nexcept ImportError:\n    pass"
    assert "imports numpy" in reason(install("hidden", top=hidden), "hooks-light")


def test_an_import_inside_the_hook_is_found(install: Install) -> None:
    assert "imports scipy" in reason(install("late", body="import scipy"), "hooks-light")


def test_a_hook_that_reads_a_file_is_found(install: Install) -> None:
    assert "opens " in reason(install("reader", body="open(__file__ + '.txt', 'w').close()"), "hooks-light")


def test_a_hook_of_engines_that_imports_torch_is_found(install: Install) -> None:
    top = "@hookimpl\ndef genkit_engines():\n    import torch\n    return ()"
    assert "imports torch" in reason(install("engine", top=top), "hooks-light")


def test_a_plugin_that_asks_the_network_is_found(install: Install) -> None:
    top = "import socket\ntry:\n    socket.getaddrinfo('localhost', 1)\nexcept OSError:\n    pass"
    assert "uses the network" in reason(install("online", top=top), "hooks-light")


def test_a_heavy_hook_fails_no_other_check(install: Install) -> None:
    assert check(install("only", top="import torch")).named("failed") == ["hooks-light"]


def test_a_spec_without_a_summary_is_found(install: Install) -> None:
    assert "failed: the spec has no summary" in reason(install("mute", summary=""), "spec")


def test_a_summary_that_no_listing_has_room_for_is_found(install: Install) -> None:
    assert "has 101 letters" in reason(install("wordy", summary="x" * 101), "spec")


def test_a_target_that_is_not_there_is_one_failure_and_nothing_else_runs(install: Install) -> None:
    report = check(install("absent", target="Missing"))
    assert len(report.named("failed")) == 1
    assert "has no attribute 'Missing'" in report.results[0].reason
    assert {result.reason for result in report.results[1:]} == {"it can't be loaded"}


def test_a_target_that_is_no_model_is_said_to_be_none(install: Install) -> None:
    report = check(install("odd", target="torch"))
    assert "not a GenerativeModel class" in report.results[0].reason
