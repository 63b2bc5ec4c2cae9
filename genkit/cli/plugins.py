"""genkit plugins"""

from __future__ import annotations

import warnings

import click

from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo_json, echo_lines
from genkit.errors import GenkitWarning
from genkit.registry.discovery import registry
from genkit.report.text import table


@click.command(cls=ListCommand)
@json_option
def command(as_json: bool) -> None:
    """List the plugins: how long each takes at every start, and what it offers, or why it is broken."""
    plugins = registry().plugins
    for line in registry().taken().values():
        warnings.warn(line, GenkitWarning, stacklevel=1)
    if as_json:
        echo_json(
            [
                {
                    "name": p.name,
                    "dist": p.dist,
                    "version": p.version,
                    "error": p.error or None,
                    "offers": {kind.kind: [spec.name for spec in specs] for kind, specs in p.specs.items() if specs},
                    "observes": list(p.observes),
                    "seconds": round(p.seconds, 3),
                }
                for p in plugins
            ]
        )
        return
    rows = []
    for plugin in plugins:
        parts = [
            f"{len(specs)} {kind.kind}{'s' if len(specs) > 1 else ''}" for kind, specs in plugin.specs.items() if specs
        ]
        parts += [f"observes {' and '.join(plugin.observes)}"] if plugin.observes else []
        offered = ", ".join(parts)
        rows.append(
            [
                plugin.name,
                f"{plugin.dist} {plugin.version}",
                f"{1000 * plugin.seconds:,.0f} ms",
                f"broken: {plugin.error}" if plugin.error else offered,
            ]
        )
    echo_lines(table(rows, right=(2,)))
