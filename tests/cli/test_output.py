"""What commands print holds no name as it is, and every command works where names are no UTF-8."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import numpy as np
import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete
from hostile import HARM, NAMES, ON_DISK
from making import record, score
from PIL import Image

from genkit.cli import output
from genkit.cli.commands import group
from genkit.cli.process import guarded_streams
from genkit.errors import one_line
from genkit.registry import discovery, installed
from genkit.results import store
from genkit.results.jobs import Job, Outcome

each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
ODD = ON_DISK["bytes"]


@each_name
def test_a_line_is_one_line(name, capsys):
    output.echo(f"run {name}")
    output.echo(name, err=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{one_line(f'run {name}')}\n", f"{one_line(name)}\n")


@each_name
def test_json_is_read_back(name, capsys):
    output.echo_json({name: name})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {name: name}


def test_a_question_holds_no_name_as_it_is(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(click, "confirm", lambda text, **how: asked.append(text))
    output.confirm(f"remove {NAMES['title']}?")
    assert asked == ["remove \\u001b]0;gone\\u0007?"]


def test_a_question_that_is_not_answered_by_yes_is_answered_by_no(monkeypatch, capsys):
    asked = []

    def stopped(text, **how):
        asked.append(text)
        raise click.Abort

    monkeypatch.setattr(click, "confirm", lambda text, **how: True)
    assert output.agreed("go on?")
    monkeypatch.setattr(click, "confirm", stopped)
    assert not output.agreed(f"cancel {NAMES['title']}?")
    assert asked == ["cancel \\u001b]0;gone\\u0007?"]


@each_name
def test_stores_print_no_name_as_it_is(name, genkit, tmp_path):
    made = score(1.0, note=name, unit=name)
    for each in (name, "other"):
        store.add(tmp_path / "runs", record(each, made, options={name: name}, dataset=name, absent={"kid": name}))
    bad = tmp_path / "runs" / "records" / f"{ON_DISK.get('escape')}.json"
    bad.write_text("{")
    job = Job(name, "d", "1", {}, "0", 0, 1, 1, {})
    Outcome(job, "failed", reason=name).publish(tmp_path / "runs" / "jobs")
    for arguments in (
        ["leaderboard", "--why"],
        ["leaderboard", "--md", "--chances"],
        ["leaderboard", "--csv"],
        ["leaderboard", "--json"],
        ["leaderboard", "--dataset", one_line(name)],
        ["leaderboard", "--score", one_line(name)],
        ["recommend"],
        ["records"],
        ["records", "validate"],
        ["records", "export"],
    ):
        done = genkit(*arguments)
        assert not HARM.search(done.out + done.err), arguments
        assert not any(line.startswith("Error: forged") for line in (done.out + done.err).splitlines()), arguments


@pytest.mark.parametrize("kind", ["escape", "link", "title", "c1", "override", "newline", "bytes", "filler"])
def test_what_a_command_is_given_comes_back_without_harm(kind, genkit):
    name = NAMES[kind]
    for arguments in (
        [name],
        ["eval", f"--{name}"],
        ["eval", "--model", name],
        ["eval", "--run", name],
        ["train", "--model", "dcgan", "--dataset", name],
        ["train", "--model", "dcgan", "--dataset", f"folder:{name}"],
        ["train", "--model", "dcgan", "-o", name],
        ["leaderboard", "--runs", name],
        ["metrics", name],
        ["models", name],
        ["datasets", "show", name],
        ["compare", name, name],
        ["bench", f"{name}.toml"],
        ["runs", "show", name],
        ["weights", "pull", name],
    ):
        done = genkit(*arguments)
        assert done.code, arguments
        assert not HARM.search(done.out + done.err), arguments
        assert not any(line.startswith("Error: forged") for line in done.err.splitlines()), arguments


@pytest.fixture
def plugged(monkeypatch, tmp_path):
    """Plugins whose names, summaries and errors hold all kinds of harm."""
    harm = "".join(NAMES[kind] for kind in ("escape", "title", "c1", "override", "newline", "filler"))
    text = (
        "from genkit.plugin import *\n"
        f"harm = {harm!r}\n"
        "@hookimpl\ndef genkit_models():\n    yield ModelSpec('zoo-model', 'no.such:Model', summary=harm, paper=harm)\n"
        "@hookimpl\ndef genkit_commands():\n    yield CommandSpec('zoo-command', 'no.such:command', summary=harm)\n"
        "@hookimpl\ndef genkit_datasets():\n    yield DatasetSpec('zoo-dataset', 'no.such:data', summary=harm, argument=harm)\n"
        "@hookimpl\ndef genkit_metrics():\n    yield MetricSpec('m', 'no.such:m', summary=harm, unit=harm)\n"
    )
    (tmp_path / "harmful_plugin.py").write_text(text)
    (tmp_path / "broken_plugin.py").write_text(f"raise ValueError({harm!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(harm, "harmful_plugin", "genkit"), EntryPoint("b", "broken_plugin", "genkit")]
    monkeypatch.setattr(installed, "entry_points", lambda group: points)
    discovery.registry.cache_clear()
    yield
    discovery.registry.cache_clear()
    for name in ("harmful_plugin", "broken_plugin"):
        sys.modules.pop(name, None)


def test_plugins_are_listed_without_harm(genkit, plugged):
    for arguments in (["plugins"], ["models"], ["metrics"], ["datasets"], ["--help"], ["plugins", "--json"]):
        done = genkit(*arguments)
        assert done.code == 0, arguments
        assert not HARM.search(done.out + done.err), arguments
        assert r"\u001b]0;gone" in done.out or arguments == ["plugins", "--json"]


@pytest.mark.filterwarnings("ignore::genkit.errors.GenkitWarning")
@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_completion_offers_one_line_for_each_name(shell, plugged):
    completer = shell(group, {}, "genkit", "_GENKIT_COMPLETE")
    for arguments in (["eval", "--model"], ["train", "--dataset"]):
        found = completer.get_completions(arguments, "zoo")
        assert len(found) == 1
        for item in found:
            assert not HARM.search(f"{item.value}{item.help}")
            assert "\n" not in f"{item.value}{item.help}"


class Screen(io.StringIO):
    """What was written."""

    encoding = "ascii"


def test_whatever_prints_in_a_command_moves_no_cursor_but_may_have_colours(monkeypatch):
    out, err = Screen(), Screen()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded_streams():
        print("\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07\ttab")
        sys.stderr.writelines(["a\x9b2J\n", "b"])
        sys.stderr.bare.write("\x1b[2K")
    assert out.getvalue() == "\\u001b[2J\x1b[31mred\x1b[0m\\u001b]0;title\\u0007\ttab\n"
    assert err.getvalue() == "a\\u009b2J\nb\x1b[2K"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_few_letters_shows_the_rest_as_json_does(tmp_path, encoding):
    (tmp_path / "x").mkdir()
    code = "from genkit.cli import main; main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", code, "runs", "--runs", "x/\u5199\u00e9"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    shown = {"ascii": "\\u5199\\u00e9", "latin-1": "\\u5199\u00e9", "utf-8": "\u5199\u00e9"}[encoding]
    assert f"no runs in x/{shown} yet" in done.stderr.decode(encoding)


def test_the_traceback_of_a_bug_does_no_harm_either(tmp_path):
    code = (
        "import genkit.cli.commands as c\n"
        "def run():\n    raise RuntimeError('\\x1b]0;gone\\x07')\n"
        "c.run = run\nfrom genkit.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "RuntimeError: \\u001b]0;gone\\u0007" in done.stderr
    assert not HARM.search(done.stderr)


def test_the_bars_are_given_harmless_texts(monkeypatch):
    from genkit.cli import progress

    screen = Screen()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress.work_bar() as show:
        show("[link=http://evil.example]\x1b]0;gone\x07\u202e", 1, 2)
    assert "gone" not in screen.getvalue() or "\\u001b]0;gone\\u0007\\u202e" in screen.getvalue()
    assert "\x1b]" not in screen.getvalue()


@pytest.fixture
def odd(tmp_path):
    """A folder of images whose name and whose files' names are no UTF-8."""
    folder = tmp_path / "x" / ODD
    folder.mkdir(parents=True)
    for place in range(24):
        pixels = np.random.default_rng(place).integers(0, 256, (8, 8), dtype=np.uint8)
        with (folder / f"{ON_DISK['latin']}{place}.png").open("wb") as file:
            Image.fromarray(pixels).save(file, "PNG")
    return f"folder:{folder}"


def test_a_model_is_trained_measured_and_ranked_where_no_name_is_utf8(genkit, odd, tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / f"cache{ODD}"))
    runs = f"runs{ODD}"

    def done(*arguments):
        result = genkit(*arguments)
        assert result.code == 0, result.err
        assert not HARM.search(result.out + result.err)
        return result.out

    trained = done("train", "--model", "ppca", "--dataset", odd, "--runs", runs).strip()
    measured = ("--metrics", "fid", "--features", "pixels")
    for given in (odd, one_line(odd)):
        done("eval", "--model", "ppca", "--dataset", given, "--runs", runs, "-n", 20, "--no-calibrate", *measured)
    found = json.loads(done("eval", "--run", trained, "--no-calibrate", "-n", 20, *measured, "--json"))
    assert f"runs{ODD}" in found["path"]
    assert store.read(tmp_path / runs).problems == []
    assert json.loads(done("runs", "--runs", one_line(runs), "--json"))[0]["dataset"] == odd
    done("runs", "show", trained)
    for given in (odd, one_line(odd), "folder"):
        done("leaderboard", "--runs", runs, "--dataset", given, "--html", f"{ODD}.html")
    done("sample", "--run", trained, "--out", f"out{ODD}", "-n", 12)
    done("compare", f"out{ODD}", odd, "--runs", runs, *measured)
    done("compare", one_line(f"out{ODD}"), one_line(odd), "--runs", runs, *measured)
    done("runs", "export", trained, f"{ODD}.zip")
    done("runs", "import", f"{ODD}.zip", "--runs", f"more{ODD}")
    done("records", "validate", "--runs", runs)
    exported = json.loads(done("records", "export", "--runs", runs, "--format", "json"))
    assert any(each["subject"]["options"].get("reference") == odd for each in exported)


@pytest.mark.parametrize("shown", [False, True], ids=["as it is", "as shown"])
def test_a_board_file_names_a_folder_that_is_no_utf8(shown, genkit, odd, tmp_path):
    text = f"dataset = '{one_line(odd) if shown else odd}'\nfeatures = ['random-conv']\n[[models]]\nname = 'ppca'\n"
    (tmp_path / "b.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = genkit("bench", "b.toml", "--dry-run", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)[0]["model"] == "ppca"
