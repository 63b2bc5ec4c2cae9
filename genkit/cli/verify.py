"""genkit verify"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.common import NAMES, complete_run, device_option, echo_json, json_option, runs_option

if TYPE_CHECKING:
    from genkit.evaluation.verify import Verification


@click.command()
@click.argument("target", metavar="RECORD|RUN", shell_complete=complete_run)
@click.option("--metrics", type=NAMES, help="Only these metrics or scores, comma-separated.")
@click.option(
    "--weights", type=click.Path(path_type=Path, dir_okay=False), help="Weights file of the record's extractor."
)
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    metrics: list[str] | None,
    weights: Path | None,
    device: str,
    root: Path,
    as_json: bool,
) -> None:
    """Check a record against torch-fidelity and torchmetrics.

    Both packages get the same images and compute their own numbers. RECORD is a record's file, RUN a run's path or id:
    its newest record is checked. The exit code is 1 if a number differs by more than the parity page states.

    \b
    genkit verify runs/digits/dcgan/7f3a
    genkit verify 7f3a --metrics fid,is
    """
    from genkit.cli.progress import work_bar
    from genkit.evaluation.verify import verify

    with work_bar() as show:
        found = verify(target, runs=root, metrics=metrics, weights=weights, device=device, progress=show)
    show_verification(found, as_json=as_json)
    ctx.exit(0 if found.ok else 1)


def show_verification(found: Verification, *, as_json: bool) -> None:
    """Print every check, as a table or as JSON."""
    if as_json:
        checks = [{**dataclasses.asdict(check), "within": check.within} for check in found.checks]
        echo_json({"subject": found.subject, "ok": found.ok, "checks": checks})
    else:
        click.echo(repr(found))
