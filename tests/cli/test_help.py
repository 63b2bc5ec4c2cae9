"""Help pages: every option explained, long commands in sections, no line cut or wider than the terminal."""

from __future__ import annotations

import click
import pytest

from genkit.cli.commands import group, listed


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
        ("eval", ["Model", "Data", "Evaluation", "Options"]),
        ("compare", ["Data", "Evaluation", "Options"]),
        ("leaderboard", ["Ranking", "Tables", "Output", "Options"]),
        ("bench", ["Jobs", "Output", "Options"]),
        ("edit", ["Model", "Degradation", "Search", "Output", "Options"]),
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
