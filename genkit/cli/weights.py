"""genkit weights"""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from genkit.cli.help import ListingGroup
from genkit.cli.options import FILE, json_option
from genkit.cli.output import echo, echo_json, echo_lines
from genkit.errors import DataError


@click.group(cls=ListingGroup)
def command() -> None:
    """List, download, check or add the weights files of feature extractors.

    Without a command it lists.
    """


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from genkit.features.manifest import WEIGHTS

    return [CompletionItem(w.name, help=w.summary) for w in WEIGHTS if w.name.startswith(incomplete)]


name_argument = click.argument("name", shell_complete=_complete)


@command.command("list")
@json_option
def list_weights(as_json: bool) -> None:
    """List the weights files: size, licence, whether they are in the cache."""
    from genkit.features.manifest import WEIGHTS
    from genkit.report.text import table

    if as_json:
        document = [
            {
                "name": w.name,
                "summary": w.summary,
                "size": w.size,
                "licence": w.licence,
                "sha256": w.sha256,
                "urls": list(w.urls),
                "path": str(w.path),
                "here": w.path.is_file(),
            }
            for w in WEIGHTS
        ]
        echo_json(document)
        return
    states = ["cached" if w.path.is_file() else "not cached" for w in WEIGHTS]
    rows = [
        [w.name, f"{w.size / 1e6:,.0f} MB", w.licence, state, w.summary]
        for w, state in zip(WEIGHTS, states, strict=True)
    ]
    echo_lines(table(rows))


@command.command()
@name_argument
def pull(name: str) -> None:
    """Download a weights file and check its hash; resumes a broken transfer."""
    from genkit.cli.progress import work_bar
    from genkit.features import manifest

    size = manifest.find(name).size
    with work_bar() as show:
        path = manifest.pull(name, lambda done, total: show(name, done, total or size))
    echo(path)


@command.command()
def verify() -> None:
    """Check the hashes of the weights files in the cache; exits with 1 if one is damaged."""
    from genkit.features.manifest import WEIGHTS, state
    from genkit.report.text import table

    states = [(weights, state(weights)) for weights in WEIGHTS]
    echo_lines(table([[weights.name, condition, str(weights.path)] for weights, condition in states]))
    damaged = [weights for weights, condition in states if condition == "damaged"]
    if damaged:
        repairs = [f"genkit weights {'pull' if w.urls else 'add'} {w.name}{'' if w.urls else ' FILE'}" for w in damaged]
        raise DataError(f"damaged, by its sha256: repair with {', '.join(repairs)}")


@command.command()
@name_argument
@click.argument("file", type=FILE)
def add(name: str, file: Path) -> None:
    """Copy a weights file into the cache, if its sha256 is the published one."""
    from genkit.features import manifest

    echo(manifest.add(name, file))
