"""genkit verify"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import NAMES, complete_run, device_option, echo_json, json_option, runs_option


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
    if as_json:
        echo_json(found.to_json())
    else:
        click.echo(repr(found))
    ctx.exit(0 if found.ok else 1)
