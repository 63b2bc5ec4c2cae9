"""genkit metrics"""

from __future__ import annotations

from typing import Any

import click

from genkit.cli.completions import complete_metric
from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo, echo_json, echo_lines
from genkit.registry.discovery import Offer, registry
from genkit.registry.specs import MetricSpec
from genkit.report.text import table


@click.command(cls=ListCommand)
@click.argument("name", required=False, shell_complete=complete_metric)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the metrics, or show one: what it measures and needs, and its parameters."""
    if name:
        _show(registry().find(MetricSpec, name), as_json)
        return
    offers = registry().offers(MetricSpec)
    if as_json:
        echo_json([_document(offer) for offer in offers])
        return
    rows = [[o.spec.name, f"{o.spec.direction} is better", o.spec.summary, o.spec.paper] for o in offers]
    echo_lines(table(rows))


def _document(offer: Offer[MetricSpec]) -> dict[str, Any]:
    spec = offer.spec
    return {
        "name": spec.name,
        "direction": spec.direction,
        "needs": spec.needs,
        "depends_on": spec.depends_on,
        "unit": spec.unit,
        "version": spec.version,
        "summary": spec.summary,
        "paper": spec.paper,
        "plugin": offer.plugin.dist,
        "parameters": spec.defaults,
    }


def _show(offer: Offer[MetricSpec], as_json: bool) -> None:
    spec = offer.spec
    if as_json:
        parameters = {
            key: {"default": each.default, "range": each.range, "summary": each.summary, "only_with": each.only_with}
            for key, each in spec.schema.items()
        }
        echo_json({**_document(offer), "parameters": parameters})
        return
    echo(f"{spec.name}: {spec.summary}")
    unit = f", in {spec.unit}" if spec.unit else ""
    needs = ", ".join(spec.needs) or "nothing but the samples"
    source = f"from {offer.plugin.dist} {offer.plugin.version}"
    echo(f"  {spec.direction} is better{unit} · needs {needs} · {spec.paper or 'no paper'} · {source}")
    if not spec.schema:
        echo("it has no parameters")
        return
    echo(f"parameters (-p {spec.name}.NAME=VALUE)")
    rows = [
        [key, _text(each.default), each.range, each.summary + (f" (with {each.only_with})" if each.only_with else "")]
        for key, each in spec.schema.items()
    ]
    echo_lines(table([["", "default", "may be", ""], *rows], indent=2))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
