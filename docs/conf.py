"""Sphinx configuration; the reference of commands is generated from the program itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

project = "genkit"
author = "the genkit developers"
copyright = "the genkit developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "genkit"
exclude_patterns = ["_build"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
nitpicky = False


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
    return command.get_help(context)


def _write_commands(_app: Any) -> None:
    from genkit.cli import group
    from genkit.registry import registry
    from genkit.specs import CommandSpec

    parts = ["# Commands\n\nGenerated from `genkit --help`.\n\n```text\n" + _help(group, "genkit") + "\n```\n"]
    for offer in registry().offers(CommandSpec):
        command = offer.spec.load()
        title = f"genkit {offer.spec.name}"
        parts.append(f"## {title}\n\n```text\n{_help(command, title)}\n```\n")
        for name, child in getattr(command, "commands", {}).items():
            parts.append(f"### {title} {name}\n\n```text\n{_help(child, f'{title} {name}')}\n```\n")
    target = Path(__file__).parent / "reference" / "commands.md"
    text = "\n".join(parts)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def setup(app: Any) -> None:
    app.connect("builder-inited", _write_commands)
