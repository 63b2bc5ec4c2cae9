"""genkit whence"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.completions import complete_run
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, device_option, json_option, runs_option
from genkit.cli.output import echo_json, echo_lines


@click.command(cls=Command)
@click.argument("image", type=FILE)
@option("--run", "run_id", metavar="RUN", shell_complete=complete_run, help="Compare with this run, by path or id.")
@option("--draw", is_flag=True, help="Draw it again and compare the pixels.")
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, image: Path, run_id: str | None, draw: bool, device: str, root: Path, as_json: bool
) -> None:
    """Say where a picture is from, by what its file says.

    Of a picture that genkit drew: model, run, weights and seed, whether the run is there with these weights, and the
    command that draws it again. Of others: generation parameters and IPTC's source type. The exit code is 1 if the
    picture says nothing, or if a run or the pixels contradict it.

    \b
    genkit whence samples.png
    genkit whence samples.png --draw
    """
    from genkit.latent.whence import whence

    found = whence(image, run=run_id, runs=root, draw=draw, device=device)
    if as_json:
        echo_json(found.to_json())
    else:
        echo_lines(str(found))
    ctx.exit(0 if found.ok else 1)
