"""genkit models"""

from __future__ import annotations

import re
import types
import typing

import click

from genkit.cli.completions import complete_model
from genkit.cli.help import ListCommand
from genkit.cli.options import json_option
from genkit.cli.output import echo, echo_json, echo_lines
from genkit.registry.discovery import CORE, registry
from genkit.registry.specs import ModelSpec
from genkit.report.card import code_licence, use_and_limits
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
        [
            o.spec.name if names.count(o.spec.name) == 1 or o.plugin.dist == CORE else o.qualified,
            o.spec.family,
            o.spec.summary,
            o.spec.paper,
        ]
        for o in offers
    ]
    echo_lines(table(rows))


def _show(name: str, as_json: bool) -> None:
    import dataclasses

    from genkit.models.base import capabilities
    from genkit.options import LATER, build, to_json
    from genkit.training.runs import model_class

    offer = registry().find(ModelSpec, name)
    cls = model_class(name)
    built: typing.Any = build(cls.Options, {}, name)
    unset = {field.name: LATER[field.name] for field in dataclasses.fields(built) if field.name in LATER}
    options = {**to_json(built), **unset}
    drawing = dataclasses.asdict(cls.Sampling())
    presets = {key: dataclasses.asdict(preset) for key, preset in cls.presets.items()}
    offered = ("sample", *capabilities(cls))
    if as_json:
        facts = {
            "plugin": offer.plugin.dist,
            "license": code_licence(offer.spec.name, offer.plugin.dist),
            "options": options,
            "sampling": drawing,
            "presets": presets,
            "offers": offered,
        }
        echo_json({**dataclasses.asdict(offer.spec), **facts})
        return
    name, dist = offer.spec.name, offer.plugin.dist
    echo(f"{name}: {offer.spec.summary}")
    echo(f"  {offer.spec.paper or '-'} · from {offer.plugin.dist} {offer.plugin.version} · offers {', '.join(offered)}")
    for heading, text in {"licence": code_licence(name, dist), **use_and_limits(name, dist)}.items():
        echo(f"  {heading}: {text}")
    echo("options (-o key=value)")
    echo_lines(_table(options, cls.Options))
    if drawing:
        echo("options of drawing, also after training (-o key=value)")
        echo_lines(_table(drawing, cls.Sampling))
    echo("presets (--preset cpu, by data set, or gpu)")
    rest = "other data" if presets.keys() - {"default", "gpu"} else "any data"
    places = {"default": ["cpu", rest], "gpu": ["gpu", "any data"]}
    rows = [
        [
            *places.get(key, ["cpu", key]),
            f"{p['images']:,} images",
            f"batch {p['batch']}",
            ", ".join(f"{k}={v}" for k, v in {**p["options"], **p["sampling"]}.items()),
        ]
        for key, p in presets.items()
    ]
    echo_lines(table(rows, indent=2))


def _table(values: typing.Mapping[str, typing.Any], cls: type) -> str:
    """Return a table of options: name, default, what it may be and what it does."""
    explained = _explained(cls)
    rows = [[key, "-" if value is None else str(value), *explained[key]] for key, value in values.items()]
    return table(rows or [["none", ""]], indent=2)


_COMMON = {
    "latent": "numbers in a latent",
    "width": "width of the networks' layers",
    "learning_rate": "learning rate of the optimiser",
    "ada_images": 'with augment "ada", images in which its probability may rise from 0 to 1',
}
"""What options do that the docstrings of many models leave unsaid."""


def _explained(options: type) -> dict[str, tuple[str, str]]:
    """Return for each option what it may be and what it does, by its type and by ``name``: text in a docstring."""
    hints = typing.get_type_hints(options, include_extras=True)
    said: dict[str, str] = {}
    for cls in options.__mro__:
        text = " ".join((vars(cls).get("__doc__") or "").split())
        for name, what in re.findall(r"``(\w+)``: (.+?)(?=; ``\w+``:|\.(?: |$)|$)", text):
            said.setdefault(name, what.replace("``", ""))
    return {name: (_plain(hint), said.get(name, _COMMON.get(name, ""))) for name, hint in hints.items()}


def _plain(hint: typing.Any) -> str:
    """Say in plain words what a value of a type may be: ``a whole number of at least 1``."""
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind is typing.Literal:
        return " or ".join(filter(None, [", ".join(map(str, parts[:-1])), str(parts[-1])]))
    if kind in (typing.Union, types.UnionType):
        return " or ".join("left out" if part is type(None) else _plain(part) for part in parts)
    if kind is typing.Annotated:
        words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
        limits = [
            f"{word} {getattr(limit, name)}"
            for limit in parts[1:]
            for name, word in words.items()
            if getattr(limit, name, None) is not None
        ]
        return " ".join([_plain(parts[0]), " and ".join(limits)]).strip()
    if kind in (list, tuple):
        return f"a list, each {_plain(parts[0])}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(hint, str(hint))
