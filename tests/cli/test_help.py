"""Help pages: every option explained, long commands in sections, no line cut; groups that list when called bare."""

from __future__ import annotations

import click
import pytest
from making import record, score

from genkit.cli.commands import group, listed
from genkit.results import store


def pages():
    """Every command and subcommand, by what is typed for it."""
    context = click.Context(group, info_name="genkit", **group.context_settings)
    found = {"genkit": context}
    for name in listed():
        command = group.get_command(context, name)
        found[f"genkit {name}"] = inner = click.Context(command, parent=context, info_name=name)
        for child, subcommand in getattr(command, "commands", {}).items():
            found[f"genkit {name} {child}"] = click.Context(subcommand, parent=inner, info_name=child)
    return found


PAGES = pages()


@pytest.mark.parametrize("page", PAGES)
def test_every_option_has_a_help_text(page):
    missing = [
        param.opts[0]
        for param in PAGES[page].command.get_params(PAGES[page])
        if isinstance(param, click.Option) and not param.help
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_wider_than_80_columns_or_cut(page, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = PAGES[page].command.get_help(PAGES[page]).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line.endswith("...") and "Usage" not in line and "TARGETS" not in line] == []


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("train", ["Model", "Data", "Budget", "Checkpoints", "Options"]),
        ("eval", ["Model", "Drawing", "Data", "Evaluation", "Parts", "Options"]),
        ("compare", ["Data", "Evaluation", "Parts", "Options"]),
        ("leaderboard", ["Ranking", "Tables", "Output", "Options"]),
        ("bench", ["Jobs", "Engine", "Output", "Options"]),
        ("edit", ["Model", "Degradation", "Search", "Drawing", "Output", "Options"]),
    ],
)
def test_options_of_long_commands_stand_in_sections(name, sections):
    context = PAGES[f"genkit {name}"]
    titles = [
        line[:-1] for line in context.command.get_help(context).splitlines() if line[:1].strip() and line[-1] == ":"
    ]
    assert titles == sections


def test_a_hidden_option_is_in_no_section():
    assert "--samples" not in PAGES["genkit eval"].command.get_help(PAGES["genkit eval"])


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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--size", "64", "--size", "48"), "--size is given 2 times: give it once"),
        (("sample", "-n", "3", "--count", "4"), "--count is given 2 times"),
        (("train", "--lr", "1"), "no flag --lr: an option of the model is given as -o learning_rate=VALUE"),
        (("train", "--batch-size", "8"), "no flag --batch-size: use --batch"),
        (("sample", "--output", "x"), "no flag --output: use --out"),
        (("train", "--output-dir", "x"), "no flag --output-dir: use --runs"),
        (("train", "--bf16"), "no flag --bf16: use --precision"),
        (("sample", "--label", "3"), "no flag --label: use --class"),
        (("runs", "list", "--model", "a", "--model", "b"), "--model is given 2 times"),
    ],
)
def test_flags_given_twice_or_known_from_other_tools_are_one_sentence(genkit, arguments, sentence):
    answer = genkit(*arguments)
    assert answer.code == 2
    assert sentence in answer.err and answer.err.count("\n") == 1


def test_flags_that_repeat_may_be_repeated(genkit):
    assert "given 2 times" not in genkit("train", "-o", "width=8", "-o", "latent=3", "--raw").err
