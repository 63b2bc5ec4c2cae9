"""genkit metrics"""

from __future__ import annotations

import click

from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo_json
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.report.text import table


@click.command(cls=ListCommand)
@json_option
def command(as_json: bool) -> None:
    """List the metrics: which direction is better, what they measure, the paper."""
    offers = registry().offers(MetricSpec)
    if as_json:
        echo_json(
            [
                {
                    "name": o.spec.name,
                    "direction": o.spec.direction,
                    "needs": o.spec.needs,
                    "depends_on": o.spec.depends_on,
                    "unit": o.spec.unit,
                    "version": o.spec.version,
                    "summary": o.spec.summary,
                    "paper": o.spec.paper,
                    "plugin": o.plugin.dist,
                }
                for o in offers
            ]
        )
        return
    rows = [[o.spec.name, f"{o.spec.direction} is better", o.spec.summary, o.spec.paper] for o in offers]
    click.echo(table(rows))
