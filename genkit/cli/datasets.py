"""genkit datasets"""

from __future__ import annotations

import click

from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo_json
from genkit.registry.discovery import registry
from genkit.registry.specs import DatasetSpec
from genkit.report.text import table


@click.command(cls=ListCommand)
@json_option
def command(as_json: bool) -> None:
    """List the data sets."""
    offers = registry().offers(DatasetSpec)
    if as_json:
        echo_json(
            [
                {
                    "name": o.spec.name,
                    "argument": o.spec.argument,
                    "summary": o.spec.summary,
                    "license": o.spec.license,
                    "plugin": o.plugin.dist,
                }
                for o in offers
            ]
        )
        return
    rows = [[f"{o.spec.name}:{o.spec.argument}" if o.spec.argument else o.spec.name, o.spec.summary] for o in offers]
    click.echo(table(rows))
