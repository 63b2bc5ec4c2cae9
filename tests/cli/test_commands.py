"""Which command a name is, and what each owes to the terminal, pipe or process that it runs in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from making import record, score

from genkit.cli.commands import group
from genkit.registry.discovery import Plugin, registry
from genkit.registry.specs import CommandSpec
from genkit.results import store

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


# --- names ---


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
def test_a_target_that_is_no_command_is_the_plugins_fault_and_completes_to_nothing(genkit, offer, target):
    offer("zoo", "greet", target)
    broken = genkit("greet")
    assert broken.code == 4
    assert broken.err.startswith("Error: command ")
    assert len(broken.err.splitlines()) == 1
    assert completed([], "greet") == []
    assert "models" in completed([], "m")


# --- groups that list ---


@pytest.mark.parametrize("name", ["runs", "records", "features", "weights"])
def test_a_bare_group_takes_the_options_of_its_list(genkit, name):
    assert genkit(name).out == genkit(name, "list").out
    assert genkit(name, "--json").out == genkit(name, "list", "--json").out
    assert "Commands:" in genkit(name, "--help").out


@pytest.mark.parametrize("name", ["datasets", "metrics", "models", "plugins"])
def test_a_command_that_only_lists_takes_list_too(genkit, name):
    assert genkit(name, "list", "--json").out == genkit(name, "--json").out != ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["records", "--runs", "there"],
        ["records", "--runs=there", "list"],
        ["records", "list", "--runs", "there"],
        ["records", "--runs", "elsewhere", "list", "--runs", "there"],
        ["records", "--json", "--runs", "there"],
        ["records", "--runs", "there", "--json"],
        ["records", "--runs", "there", "validate"],
        ["records", "--runs", "there", "export"],
    ],
    ids=" ".join,
)
def test_the_folder_stands_before_or_after_the_command(genkit, monkeypatch, tmp_path, arguments):
    monkeypatch.setenv("GENKIT_RUNS", "elsewhere")
    store.add(tmp_path / "there", record("only-there", score(1.0)))
    shown = genkit(*arguments)
    assert shown.code == 0, shown.err
    assert "only-there" in shown.out or "1 record good" in shown.out


def test_the_folder_of_runs_stands_before_or_after_the_command(genkit):
    for arguments in (["--runs", "there"], ["--runs", "there", "list"], ["list", "--runs", "there"]):
        assert "no runs in there yet" in genkit("runs", *arguments).err
    assert "there is no run 'ab' in there" in genkit("runs", "--runs", "there", "show", "ab").err
    assert "requires an argument" in genkit("runs", "--runs").err


def test_a_command_that_a_group_has_not_is_said(genkit):
    result = genkit("runs", "lst")
    assert result.code == 2
    assert "No such command 'lst'" in result.err


# --- completion ---


def completed(arguments, incomplete):
    """What a shell is offered after these words."""
    found = ShellComplete(group, {}, "genkit", "_GENKIT_COMPLETE").get_completions(arguments, incomplete)
    return [item.value for item in found]


@pytest.fixture
def some_runs(genkit, tmp_path):
    """Two run folders, one of them with a spoilt run.json: completion does not look inside."""
    for name in ("runs/digits/dcgan/ab12", "runs/digits/vae/ab34", "other/mnist/vae/cd56"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{")


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "--run"],
        ["sample", "--run"],
        ["reconstruct", "--run"],
        ["train", "--resume"],
        ["runs", "show"],
        ["runs", "remove"],
        ["runs", "export"],
    ],
    ids=" ".join,
)
def test_runs_complete_by_id_and_by_path(some_runs, arguments):
    assert completed(arguments, "") == ["ab12", "ab34"]
    assert completed(arguments, "ab3") == ["ab34"]
    assert completed(arguments, "runs/digits/v") == ["runs/digits/vae/ab34"]


@pytest.mark.parametrize("arguments", [["train", "vae"], ["eval", "--model", "vae"], ["runs", "list"]], ids=" ".join)
def test_runs_are_kept_in_folders_alone(genkit, monkeypatch, tmp_path, arguments):
    monkeypatch.setenv("GENKIT_RUNS", "memory://x")
    refused = genkit(*arguments)
    assert refused.code == 2
    assert refused.err.startswith("Error: memory://x is a URL, and runs are kept in a folder: ")
    assert list(tmp_path.iterdir()) == []
    assert "no records in memory://x yet" in genkit("records", "list").err


def test_completion_looks_in_the_folder_of_runs_that_is_named(some_runs, monkeypatch):
    assert completed(["eval", "--runs", "other", "--run"], "") == ["cd56"]
    assert completed(["runs", "--runs", "other", "show"], "") == ["cd56"]
    assert completed(["leaderboard", "--dataset"], "") == ["digits"]
    monkeypatch.setenv("GENKIT_RUNS", "other")
    assert completed(["eval", "--run"], "") == ["cd56"]
    assert completed(["sample", "--dataset"], "m") == ["mnist"]


def test_a_group_completes_to_its_commands(genkit):
    assert completed(["runs"], "") == ["export", "import", "list", "remove", "show"]


# --- streams and signals, in a process of its own ---


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


def test_a_signal_that_the_parent_had_ignored_stays_ignored(tmp_path):
    code = f"""
import os, signal, genkit.cli.commands
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
genkit.cli.commands.run = lambda: [os.kill(os.getpid(), n) for n in (signal.SIGINT, signal.SIGTERM)] and 0
{MAIN}
"""
    assert run(code, cwd=tmp_path) == (0, "", "")


def test_train_takes_the_preset_of_a_place(genkit, tmp_path):
    trained = genkit("train", "--model", "gan", "--preset", "gpu", "--images", "128")
    assert (trained.code, "--milestones" in trained.err) == (0, False)
    (run,) = (tmp_path / "runs").glob("digits/gan/*/run.json")
    assert json.loads(run.read_text())["batch"] == 128
    refused = genkit("train", "--model", "ppca", "--preset", "gpu")
    assert refused.code == 2 and "ppca has no preset for a GPU" in refused.err
    fixed = genkit("train", "--resume", run.parent, "--preset", "gpu")
    assert fixed.code == 2 and "a run keeps its settings" in fixed.err


def test_train_says_how_to_measure_its_milestones(genkit):
    trained = genkit("train", "--model", "gan", "--images", "128", "--milestones", "1")
    assert trained.err.rstrip().endswith("--milestones")
