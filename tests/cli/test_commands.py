"""Which command a name is, with plugins that offer commands too.

Tests commands and explain of genkit.cli.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import click
import pytest

from genkit.errors import Interrupted
from genkit.files.guard import STOPPING
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
        registry().tell_apart()

    return add


def test_a_command_of_cores_name_hides_nothing_and_is_there_under_its_qualified_name(genkit, offer):
    offer("zoo", "models")
    own = genkit("models")
    assert "dcgan" in own.out
    assert "genkit: command 'models' is genkit's own; a plugin's is 'zoo:models'\n" in own.err
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


@pytest.fixture
def bench(genkit, monkeypatch, tmp_path):
    """Run ``genkit bench`` with other code in its place: bench(code)."""
    (tmp_path / "b.toml").touch()

    def run(code):
        monkeypatch.setattr("genkit.benchmark.open_benchmark", lambda *arguments, **named: code())
        return genkit("bench", "b.toml")

    return run


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped"), SystemExit(0), GeneratorExit()])
def test_code_that_raises_what_stops_genkit_is_named_and_has_not_stopped_it(bench, error):
    def code():
        raise error

    done = bench(code)
    assert done.code == 4 and len(done.err.splitlines()) == 1
    assert done.err.startswith(f"Error: {type(error).__name__} was raised at {__file__}:")


def test_code_that_exits_is_named(bench):
    done = bench(lambda: os._exit(0))
    assert done.code == 4
    assert done.err.startswith(f"Error: it calls os._exit, which would end genkit, at {__file__}:")


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_stops_a_command(bench, number):
    done = bench(lambda: signal.raise_signal(number))
    assert (done.code, done.out, done.err.strip()) == (130, "", "stopped")


def test_an_end_of_file_that_nothing_handles_is_no_stop(bench):
    def code():
        raise EOFError("no data")

    with pytest.raises(EOFError, match="no data"):
        bench(code)


def test_the_command_of_a_plugin_may_exit_as_it_likes(genkit, offer, monkeypatch):
    @click.command()
    def leaving():
        raise SystemExit(3)

    monkeypatch.setattr(sys.modules[__name__], "leaving", leaving, raising=False)
    offer("zoo", "leaving", "greeting:leaving")
    assert genkit("leaving").code == 3


LOUD = """
import os, sys
from genkit.cli import main
from genkit.models.baselines.noise import Noise

def loud(*arguments):
    print("LOUD")
    sys.stdout.buffer.write(b"LOUD")
    os.write(1, b"LOUD")
    os.system("echo LOUD")

Noise.prepare_stage = Noise.enter_stage = loud
main()
"""


def test_only_results_reach_stdout_whatever_a_model_prints(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-c", LOUD, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    done = run("train", "--model", "noise")
    assert (tmp_path / done.stdout.strip() / "run.json").is_file()
    assert done.stderr.count("LOUD") == 8
    json.loads(run("eval", "--model", "noise", "--metrics", "parameters", "--no-calibrate", "--json").stdout)


def test_help_asks_no_command_of_a_plugin(genkit, offer):
    offer("zoo", "broken", "no_such_module:command")
    offer("farm", "broken", "no_such_module:command")
    shown = genkit("--help")
    assert shown.code == 0 and "zoo:broken" in shown.out and shown.err == ""
    assert genkit("models", "--help").code == genkit("models").code == 0
