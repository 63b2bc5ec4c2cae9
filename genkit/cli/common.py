"""What several commands share: options, completion, tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from genkit.registry import registry
from genkit.specs import DatasetSpec, FeatureSpec, MetricSpec, ModelSpec, Spec

F = TypeVar("F", bound=Callable[..., Any])


def complete(kind: type[Spec]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completion function over the registry's names of a kind."""

    def names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        offers = registry().offers(kind)
        return [CompletionItem(o.spec.name, help=o.spec.summary) for o in offers if o.spec.name.startswith(incomplete)]

    return names


complete_model = complete(ModelSpec)
complete_dataset = complete(DatasetSpec)
complete_feature = complete(FeatureSpec)
complete_metric = complete(MetricSpec)

runs_option = click.option(
    "--runs",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="GENKIT_RUNS",
    show_default=True,
    show_envvar=True,
    help="Folder of runs and records.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
device_option = click.option(
    "--device", default="auto", envvar="GENKIT_DEVICE", show_default=True, help="auto, cpu, cuda, cuda:1 ..."
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)


def dataset_options(default: str | None = "digits") -> Callable[[F], F]:
    """Add --dataset and how to open it; the command gets ``dataset`` and ``opening``-style arguments."""
    options = [
        click.option(
            "--dataset",
            default=default,
            envvar="GENKIT_DATASET",
            show_default=default is not None,
            shell_complete=complete_dataset,
            help="digits, mnist, folder:PATH, zip:PATH, npz:PATH.",
        ),
        click.option(
            "--data-root",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="GENKIT_DATA",
            show_envvar=True,
            help="Folder with downloaded data sets.",
        ),
        click.option("--size", type=click.IntRange(min=1), help="Resize images to this height and width."),
        click.option(
            "--crop",
            type=click.Choice(["center", "none"]),
            default="center",
            show_default=True,
            help="With --size: cut the middle square, or squeeze the whole.",
        ),
        click.option("--skip-bad", is_flag=True, help="Leave out, and count, files that are no whole image."),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def opening(data_root: Path | None, size: int | None, crop: str, skip_bad: bool) -> dict[str, Any]:
    """Return only what was asked for, as arguments of open_dataset."""
    asked = {"data_root": data_root, "size": size, "crop": crop if size else None, "skip_bad": skip_bad or None}
    return {key: value for key, value in asked.items() if value is not None}


def split_names(text: str | None) -> list[str]:
    """Split comma-separated names."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, allow_nan=False, default=str))
