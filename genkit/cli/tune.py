"""genkit tune"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_dataset, complete_run
from genkit.cli.data import open_dataset, opening_options
from genkit.cli.help import Command, option
from genkit.cli.options import device_option, no_metadata_option, runs_option, seed_option, track_option
from genkit.cli.output import echo
from genkit.cli.ranks import first_speaks
from genkit.cli.train import Count
from genkit.files.text import quoted

if TYPE_CHECKING:
    from genkit.training.config import Method


@click.command(cls=Command)
@option(
    "--run",
    "run_id",
    metavar="RUN",
    required=True,
    shell_complete=complete_run,
    section="Model",
    help="The trained run to adapt, by path or id; it stays as it is.",
)
@option("--prompt", default="", metavar="TEXT", section="Model", help="What the new images show, e.g. 'a zorp'.")
@option(
    "--dataset",
    required=True,
    shell_complete=complete_dataset,
    section="Data",
    help="The new images, such as folder:PATH; brought to the size and colours of the run's.",
)
@opening_options
@option("--parent-data", metavar="DATA", section="Data", help="Where the data of --run is now, if it was moved.")
@option(
    "--allow-generated",
    is_flag=True,
    section="Data",
    help="Train on images whose metadata say that they are generated.",
)
@option(
    "--method",
    type=click.Choice(["lora", "all"]),
    section="Model",
    help="lora: thin matrices beside linear layers; all: all weights. Default: lora where the model has it.",
)
@option("--rank", type=click.IntRange(min=1), section="Model", help="Rank of LoRA; default: 8.")
@option("--alpha", type=float, section="Model", help="LoRA is multiplied by alpha / rank; default: twice the rank.")
@option(
    "--replay",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.9,
    show_default=True,
    section="Budget",
    help="Share of training images from the run's own data, so that less is forgotten.",
)
@option("--rate", type=float, section="Budget", help="Factor on the learning rates; default: 4 for lora, 1 for all.")
@option("--images", type=Count(), default="120k", show_default=True, section="Budget", help="Images to train on.")
@option("--batch", type=click.IntRange(min=1), section="Budget", help="Images per batch; default: that of --run.")
@track_option
@no_metadata_option
@seed_option
@device_option
@runs_option
def command(
    run_id: str,
    prompt: str,
    dataset: str,
    opening: dict[str, Any],
    parent_data: str | None,
    allow_generated: bool,
    method: Method | None,
    rank: int | None,
    alpha: float | None,
    replay: float,
    rate: float | None,
    images: int,
    batch: int | None,
    track: list[str] | None,
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Adapt a trained run to a few images, such as 5 to 50, in a run of its own.

    \b
    genkit tune --run 7f3a --dataset folder:zorps --prompt "a zorp"
    genkit sample --run NEWRUN --prompt "a zorp" -n 16
    """
    from genkit.cli.progress import training_bar
    from genkit.training.distributed import in_turns, joined, of_first
    from genkit.training.runs import find_run, open_run
    from genkit.training.settings import Settings
    from genkit.training.tune import tune

    with first_speaks(), joined():
        parent = open_run(Path(of_first(lambda: str(find_run(root, run_id).path))))
        channels, height, width = parent.config.data.shape
        opening = {"size": (height, width), **({"grey": True} if channels == 1 else {}), **opening}
        data = in_turns(lambda: open_dataset(dataset, opening))
        with training_bar() as show:
            run = tune(
                parent,
                data,
                prompt,
                method=method,
                rank=rank,
                alpha=alpha,
                replay=replay,
                rate=rate,
                images=images,
                batch=batch,
                seed=seed,
                device=device,
                root=root,
                settings=Settings(metadata=not no_metadata, track=tuple(track or ())),
                parent_dataset=parent_data,
                dataset_options=opening,
                allow_generated=allow_generated,
                on_event=show,
            )
        echo(f"{run.path}")
        tuning = run.config.tuning
        assert tuning is not None
        how = f"LoRA of rank {tuning.rank}, in {run.path / 'adapter'}" if tuning.method == "lora" else "all weights"
        echo(f"tuned from run {tuning.run} to {tuning.images} images by {how}", err=True)
        asked = f" --prompt {quoted(tuning.prompt)}" if tuning.prompt else ""
        echo(f"next: genkit sample --run {quoted(run.path)}{asked}; genkit eval --run {quoted(run.path)}", err=True)
