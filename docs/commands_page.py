"""The page of all commands, from the program's own help: ``python docs/commands_page.py`` rewrites it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).parent / "reference" / "commands.md"
HEAD = """\
# Commands

<!-- Generated from the help pages of the program. After a change of them: python docs/commands_page.py -->

"""
WIDTH = 78
"""What a terminal of 80 columns shows."""


def page() -> str:
    """Return the help pages of genkit and of each of its commands, as Markdown."""
    from genkit.cli.commands import group
    from genkit.registry.discovery import CORE, registry
    from genkit.registry.specs import CommandSpec

    context = click.Context(group, info_name="genkit", terminal_width=WIDTH, **group.context_settings)
    sections = [_section("##", context)]
    for offer in registry().offers(CommandSpec):
        if offer.plugin.dist == CORE:
            sections += _sections(offer.spec.load(), offer.spec.name, context)
    return HEAD + "\n".join(sections)


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    """The help of a command, and of its subcommands one level below."""
    context = click.Context(command, parent=parent, info_name=name)
    yield _section("##", context)
    for child, subcommand in getattr(command, "commands", {}).items():
        yield _section("###", click.Context(subcommand, parent=context, info_name=child))


def _section(level: str, context: click.Context) -> str:
    return f"{level} {context.command_path}\n\n```text\n{context.command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
