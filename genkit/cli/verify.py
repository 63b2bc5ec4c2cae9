"""genkit verify"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.completions import complete_dataset, complete_run
from genkit.cli.help import Command, option
from genkit.cli.messages import data_described
from genkit.cli.options import FILE, device_option, json_option, runs_option
from genkit.cli.output import echo_json, echo_lines
from genkit.cli.parameters import NAMES


@click.command(cls=Command)
@click.argument("target", metavar="RECORD|RUN", shell_complete=complete_run)
@option("--metrics", type=NAMES, help="Only these metrics or scores, comma-separated.")
@option("--weights", type=FILE, help="Weights file of the record's extractor.")
@option("--dataset", shell_complete=complete_dataset, help="Where the run's data is now, if it was moved.")
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    metrics: list[str] | None,
    weights: Path | None,
    dataset: str | None,
    device: str,
    root: Path,
    as_json: bool,
) -> None:
    """Check a record against torch-fidelity and torchmetrics.

    Both packages get the same images and compute their own numbers. RECORD is a record's file, RUN a run's path or id:
    its newest record is checked. The exit code is 1 if a number differs by more than the parity page states, or if no
    number can be compared.

    \b
    genkit verify runs/digits/dcgan/7f3a
    genkit verify 7f3a --metrics fid,is
    """
    from genkit.cli.progress import work_bar
    from genkit.evaluation.verify import verify

    with data_described(), work_bar() as show:
        found = verify(
            target, runs=root, metrics=metrics, weights=weights, dataset=dataset, device=device, progress=show
        )
    if as_json:
        echo_json(found.to_json())
    else:
        echo_lines(repr(found))
    ctx.exit(0 if found.ok else 1)
