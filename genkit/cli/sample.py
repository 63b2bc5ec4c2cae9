"""genkit sample"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genkit.cli.data import data_root_option
from genkit.cli.drawing import drawing_options
from genkit.cli.help import Command, option
from genkit.cli.options import (
    FOLDER,
    PATH,
    PNG,
    device_option,
    json_option,
    no_metadata_option,
    refuse,
    runs_option,
    seed_option,
    trained_options,
)
from genkit.cli.output import echo, echo_json
from genkit.cli.prompts import lines_of
from genkit.cli.trained import data_of, run_with_data, trained_run
from genkit.errors import UsageError


@click.command(cls=Command)
@trained_options
@data_root_option
@option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    section="Output",
    help="Images to draw, of each prompt if there are any. [default: 100, or 10 of each prompt]",
)
@option("--grid", type=PNG, default=Path("samples.png"), show_default=True, section="Output", help="Output image.")
@option("--out", type=FOLDER, section="Output", help="Write single PNGs and labels.csv into this folder instead.")
@option("--labelled", is_flag=True, section="Output", help="With --out: a folder per class, as a labelled data set.")
@option("--class", "label", metavar="CLASS", help="Draw this class, by name or number (conditional models).")
@option("--prompt", "prompts", metavar="TEXT", multiple=True, help="Draw what this text says; may be repeated.")
@option("--prompts", "prompt_file", type=PATH, metavar="FILE", help="Draw what each line of this file says.")
@option("--raw", is_flag=True, help="Draw from the raw weights, not their moving average.")
@drawing_options("guidance", "temperature", "top_k", "top_p", "steps", "truncation")
@no_metadata_option
@seed_option
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    run_id: str | None,
    checkpoint: Path | None,
    dataset: str | None,
    data_root: Path | None,
    count: int | None,
    grid: Path,
    out: Path | None,
    label: str | None,
    prompts: tuple[str, ...],
    prompt_file: Path | None,
    labelled: bool,
    raw: bool,
    sampling: dict[str, Any],
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
    as_json: bool,
) -> None:
    """Draw images from a trained model: a PNG grid, or a folder of images with --out.

    \b
    genkit sample --model dcgan
    genkit sample --model cgan --labelled --out more -n 5000
    genkit sample --model vq-gpt --class 7 --guidance 1.5 --top-p 0.95
    genkit sample --model vq-gpt --prompt "a red 7 left of a blue 3" -n 16
    """
    from genkit.cli.progress import work_bar
    from genkit.latent.api import sample, sample_to_folder

    if labelled and out is None:
        raise UsageError("--labelled goes with --out: it writes a folder for each class")
    if out is not None:
        refuse(ctx, ("grid",), "can't be given with --out, which writes single images in place of a grid")
    asked = [*prompts, *(lines_of(prompt_file) if prompt_file else ())]
    if labelled and asked:
        raise UsageError("--labelled goes with classes: with prompts, --out writes metadata.jsonl with the texts")
    count = count or (10 if asked else 100)
    run = (run_with_data if labelled else trained_run)(root, model, run_id, dataset, checkpoint)
    drawn: dict[str, Any] = {"label": label, "raw": raw, "sampling": sampling, "seed": seed, "device": device}
    drawn |= {"metadata": not no_metadata, "prompts": asked}
    with work_bar() as show:
        if out is None:
            sample(checkpoint or run, count, grid=grid, progress=show, **drawn)
        else:
            sample_to_folder(
                checkpoint or run,
                out,
                count,
                labelled=labelled,
                dataset=data_of(run, dataset, data_root) if labelled and not run.config.data.class_names else None,
                progress=show,
                **drawn,
            )
    if as_json:
        written = {"grid": str(grid)} if out is None else {"folder": str(out)}
        echo_json({"run": str(run.path), **written, "images": count * (len(asked) or 1), "prompts": asked})
    else:
        echo(out or grid)
