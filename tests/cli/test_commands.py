"""Which command a name is, with plugins that offer commands too.

Tests commands and explain of genkit.cli.
"""

from __future__ import annotations

import sys

import click
import pytest

from genkit.registry.discovery import Plugin, registry
from genkit.registry.specs import CommandSpec

MAIN = "from genkit.cli import main; main()"


@click.command()
def hello():
    """Greet."""
    click.echo("hello")


@pytest.fixture
def offer(monkeypatch):
    """Let plugins offer commands: offer(dist, name, target)."""
    monkeypatch.setattr(registry(), "plugins", list(registry().plugins))
    monkeypatch.setitem(sys.modules, "greeting", sys.modules[__name__])

    def add(dist, name, target="greeting:hello"):
        spec = CommandSpec(name, target, summary=f"of {dist}")
        registry().plugins.append(Plugin(dist, dist, "1", {CommandSpec: [spec]}))

    return add


def test_a_command_of_cores_name_hides_nothing_and_is_there_under_its_qualified_name(genkit, offer):
    offer("zoo", "models")
    assert "dcgan" in genkit("models").out
    assert genkit("zoo:models").out == "hello\n"
    rows = [line.split() for line in genkit("--help").out.splitlines()]
    assert ["zoo:models", "of", "zoo"] in rows
    assert [row[0] for row in rows if row[1:2] == ["List"] and "models" in row] == ["models"]


def test_a_name_of_two_plugins_is_ambiguous_and_one_of_one_is_bare(genkit, offer):
    for dist, name in (("zoo", "greet"), ("farm", "greet"), ("farm", "wave")):
        offer(dist, name)
    refused = genkit("greet")
    assert refused.code == 2
    assert "write 'zoo:greet' or 'farm:greet'" in refused.err
    assert genkit("zoo:greet").out == genkit("wave").out == genkit("farm:wave").out == "hello\n"


@pytest.mark.parametrize("target", ["greeting:MAIN", "no_such_module:hello"])
def test_a_target_that_is_no_command_is_the_plugins_fault_and_completes_to_nothing(genkit, completed, offer, target):
    offer("zoo", "greet", target)
    broken = genkit("greet")
    assert broken.code == 4
    assert broken.err.startswith("Error: command ")
    assert len(broken.err.splitlines()) == 1
    assert completed([], "greet") == []
    assert "models" in completed([], "m")
