"""Streams and signals: each command line runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from making import record, score

from genkit.cli.help import Command
from genkit.cli.options import json_option
from genkit.cli.output import echo_json
from genkit.results import store

MAIN = "from genkit.cli import main; main()"


def run(code, *arguments, cwd, **streams):
    """Run Python code with the command line's arguments; return its exit code, stdout and stderr."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, text=True, check=False, **given)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def deaf():
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("arguments", [("models",), ("--help",), ("metrics", "--json")], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_of_stdout_that_is_gone_ends_a_command_quietly(tmp_path, deaf, monkeypatch, arguments, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    assert run(MAIN, *arguments, cwd=tmp_path, stdout=deaf) == (0, None, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_one_sentence(tmp_path, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        code, _, err = run(MAIN, "models", cwd=tmp_path, stdout=full)
    assert (code, err) == (1, "Error: the output can't be written: No space left on device\n")


def test_a_reader_of_stderr_that_is_gone_moves_neither_work_nor_exit_code(tmp_path, deaf):
    store.add(tmp_path / "runs", record("a", score(1.0)))
    (tmp_path / "runs/records/broken.json").write_text("{")
    code, out, _ = run(MAIN, "leaderboard", "--csv", cwd=tmp_path, stderr=deaf)
    assert code == 0
    assert out.startswith("model,a,") or "\nmodel,a," in out
    assert run(MAIN, "modles", cwd=tmp_path, stderr=deaf)[0] == 2


def test_the_package_itself_can_be_run(tmp_path):
    listed = subprocess.run(
        [sys.executable, "-m", "genkit", "models", "list"], cwd=tmp_path, text=True, capture_output=True
    )
    assert (listed.returncode, "dcgan" in listed.stdout, listed.stderr) == (0, True, "")
    refused = subprocess.run([sys.executable, "-m", "genkit", "modles"], cwd=tmp_path, text=True, capture_output=True)
    assert (refused.returncode, "Did you mean 'models'?" in refused.stderr) == (2, True)


AT_IMPORT = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            try:
                os.kill(os.getpid(), signal.{number})
            except BaseException:
                if {swallow}:
                    return None
                raise

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupter())
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("module", "swallow"), [("click", False), ("genkit.registry", True)])
def test_a_signal_while_modules_are_imported_is_one_line(tmp_path, number, module, swallow):
    code = AT_IMPORT.format(number=number, module=module, swallow=swallow) + MAIN
    assert run(code, "models", cwd=tmp_path) == (130, "", "stopped\n")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_before_the_training_loop_is_one_line(tmp_path, number):
    code = f"""
import os, signal, genkit.cli.commands
signal.signal(signal.SIGINT, signal.default_int_handler)
genkit.cli.commands.run = lambda: os.kill(os.getpid(), signal.{number})
{MAIN}
"""
    assert run(code, cwd=tmp_path) == (130, "", "stopped\n")


@pytest.mark.parametrize("during", [False, True])
def test_ctrl_c_while_python_ends_prints_nothing(tmp_path, during):
    code = f"""
import atexit, os, signal, genkit.cli.commands
def late():
    atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
def run():
    {"late()" if during else "pass"}
    print("done", flush=True)
    return 3
genkit.cli.commands.run = run
{"" if during else "late()"}
{MAIN}
"""
    assert run(code, cwd=tmp_path) == (3, "done\n", "")


def test_a_signal_that_the_parent_had_ignored_stays_ignored(tmp_path):
    code = f"""
import os, signal, genkit.cli.commands
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
genkit.cli.commands.run = lambda: [os.kill(os.getpid(), n) for n in (signal.SIGINT, signal.SIGTERM)] and 0
{MAIN}
"""
    assert run(code, cwd=tmp_path) == (0, "", "")


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_only_results_reach_stdout(capfd, arguments):
    @click.command(cls=Command)
    @json_option
    def loud(as_json):
        print("LOUD")
        os.system("echo LOUD")
        echo_json({"a": 1})
        os.write(1, b"LOUD\n")

    loud.main(arguments, standalone_mode=False)
    done = capfd.readouterr()
    assert (done.out, done.err) == ('{\n  "a": 1\n}\n', "LOUD\n" * 3)
