"""genkit models"""

from __future__ import annotations

import re

import click

from genkit.cli.completions import complete_model
from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo_json
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.report.text import table


@click.command(cls=ListCommand)
@click.argument("name", required=False, shell_complete=complete_model)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the models, or show one: options, presets and capabilities."""
    if name:
        _show(name, as_json)
        return
    offers = registry().offers(ModelSpec)
    if as_json:
        echo_json(
            [
                {
                    "name": o.spec.name,
                    "family": o.spec.family,
                    "summary": o.spec.summary,
                    "paper": o.spec.paper,
                    "plugin": o.plugin.dist,
                }
                for o in offers
            ]
        )
        return
    names = [o.spec.name for o in offers]
    rows = [
        [o.spec.name if names.count(o.spec.name) == 1 else o.qualified, o.spec.family, o.spec.summary, o.spec.paper]
        for o in offers
    ]
    click.echo(table(rows))


def _show(name: str, as_json: bool) -> None:
    import dataclasses

    from genkit.models.base import capabilities
    from genkit.options import build, to_json
    from genkit.training.runs import model_class

    offer = registry().find(ModelSpec, name)
    cls = model_class(name)
    options = to_json(build(cls.Options, {}, name))
    presets = {key: dataclasses.asdict(preset) for key, preset in cls.presets.items()}
    offered = ("sample", *capabilities(cls))
    if as_json:
        facts = {"plugin": offer.plugin.dist, "options": options, "presets": presets, "offers": offered}
        echo_json({**dataclasses.asdict(offer.spec), **facts})
        return
    click.echo(f"{offer.spec.name}: {offer.spec.summary}")
    click.echo(
        f"  {offer.spec.paper or '-'} · from {offer.plugin.dist} {offer.plugin.version} · offers {', '.join(offered)}"
    )
    click.echo("options (-o key=value)")
    types = {field.name: _plain(str(field.type)) for field in dataclasses.fields(cls.Options)}
    click.echo(table([[key, str(value), types[key]] for key, value in options.items()] or [["none", "", ""]], indent=2))
    click.echo("presets (--preset cpu, by data set, or gpu)")
    rest = "other data" if presets.keys() - {"default", "gpu"} else "any data"
    places = {"default": ["cpu", rest], "gpu": ["gpu", "any data"]}
    rows = [
        [
            *places.get(key, ["cpu", key]),
            f"{p['images']:,} images",
            f"batch {p['batch']}",
            ", ".join(f"{k}={v}" for k, v in p["options"].items()),
        ]
        for key, p in presets.items()
    ]
    click.echo(table(rows, indent=2))


_BOUNDS = {"Ge": ">=", "Gt": ">", "Le": "<=", "Lt": "<"}


def _plain(annotation: str) -> str:
    """Write a type plainly: ``int >= 1`` for ``Annotated[int, Ge(1)]``, a Literal by its choices."""
    if annotation.startswith("Literal["):
        return annotation[len("Literal[") : -1].replace("'", "").replace(", ", " | ")
    found = re.fullmatch(r"Annotated\[(\w+), (.*)\]", annotation)
    if found is None:
        return annotation
    limits = [f"{_BOUNDS[name]} {bound}" for name, bound in re.findall(r"(Ge|Gt|Le|Lt)\(([^)]*)\)", found[2])]
    return " ".join([found[1], ", ".join(limits)])
