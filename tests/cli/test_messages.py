from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import click
import pytest

from genkit.cli.messages import jobs_described, messages_shown
from genkit.errors import GenkitWarning


@pytest.fixture
def troubled(monkeypatch):
    """A command whose library warns twice, logs, and meets another library's warning."""

    @click.command()
    def trouble():
        for _ in range(2):
            warnings.warn("a picture is missing", GenkitWarning, stacklevel=1)
        logging.getLogger("genkit.training.api").warning("the %s is off", "observer")
        logging.getLogger("genkit.training.api").info("not for the terminal")

    monkeypatch.setattr("genkit.cli.commands.LazyGroup.get_command", lambda self, ctx, name: trouble)


def test_a_command_shows_each_warning_and_log_message_as_one_line_on_stderr(genkit, troubled):
    shown = genkit("trouble")
    assert shown.code == 0
    assert shown.out == ""
    assert shown.err.splitlines() == ["genkit: a picture is missing"] * 2 + ["genkit: the observer is off"]


def test_after_a_command_the_library_is_quiet_again(genkit, troubled):
    before = logging.getLogger("genkit").handlers[:], warnings.filters[:]
    genkit("trouble")
    assert (logging.getLogger("genkit").handlers, warnings.filters) == before


def test_warnings_of_other_libraries_are_shown_as_python_shows_them(capsys):
    with pytest.warns(UserWarning, match="numpy is old"), messages_shown():
        warnings.warn("numpy is old", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_what_is_said_of_jobs_is_shown_where_they_are_described(capsys):
    logger = logging.getLogger("genkit.benchmark.progress")
    with messages_shown():
        logger.info("nobody asked")
        with jobs_described():
            logger.info("2 jobs run")
        logger.info("nobody asks any more")
    assert capsys.readouterr().err == "genkit: 2 jobs run\n"


@pytest.mark.parametrize("stderr", [None, "closed"])
def test_a_message_that_can_not_be_shown_stops_nothing(monkeypatch, stderr):
    class Closed:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stderr", stderr and Closed())
    with messages_shown():
        logging.getLogger("genkit").warning("lost")


LIBRARY = """
import toys, genkit
from genkit.registry.discovery import registry
registry().plugins.append(toys.plugin())
def fail(event):
    raise RuntimeError("no screen")
run = genkit.train("toy-gan", "digits", images=32, batch=16, root="runs", device="cpu", on_event=fail)
assert run.finished
"""


def test_the_library_itself_prints_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # with tests/, where the toys are
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
