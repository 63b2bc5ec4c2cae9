"""genkit features"""

from __future__ import annotations

from typing import Any

import click

from genkit.cli.data import dataset_options, open_dataset
from genkit.cli.help import ListingGroup
from genkit.cli.options import json_option, seed_option
from genkit.cli.output import echo, echo_json, echo_lines, left_out
from genkit.registry.discovery import registry
from genkit.registry.specs import FeatureSpec


@click.group(cls=ListingGroup)
def command() -> None:
    """List feature extractors, or train one.

    Without a command it lists.
    """


@command.command("list")
@json_option
def list_features(as_json: bool) -> None:
    """List the extractors, of plugins and trained here."""
    from genkit.features.metadata import installed
    from genkit.report.text import table

    offers = registry().offers(FeatureSpec)
    trained_here = installed(left_out)
    if as_json:
        plain = [
            {"name": o.spec.name, "dim": o.spec.dim, "summary": o.spec.summary, "plugin": o.plugin.dist} for o in offers
        ]
        echo_json(plain + [{**info, "plugin": "trained here"} for info in trained_here])
        return
    rows = [[o.spec.name, f"{o.spec.dim}-d" if o.spec.dim else "", o.spec.summary] for o in offers]
    rows += [
        [
            info["name"],
            f"{info['dim']}-d",
            f"trained here on {info['dataset']}, test accuracy {info['test_accuracy']:.2%}",
        ]
        for info in trained_here
    ]
    echo_lines(table(rows))


@command.command()
@dataset_options
@seed_option
def train(dataset: str, opening: dict[str, Any], seed: int) -> None:
    """Train a small classifier on a labelled data set and keep it as that data set's extractor."""
    from genkit.cli.progress import work_bar
    from genkit.features.trained import train_and_store

    data = open_dataset(dataset, opening)
    with work_bar() as show:
        info = train_and_store(data, seed=seed, progress=lambda done, total: show("training", done, total))
    echo(f"{info['name']}: {info['dim']}-d features, test accuracy {info['test_accuracy']:.2%}")
