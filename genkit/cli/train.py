"""genkit train"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from genkit.cli.completions import complete_model, complete_run
from genkit.cli.data import MOVABLE, OPENING, dataset_options, open_dataset
from genkit.cli.help import Command, option
from genkit.cli.options import (
    FILE,
    FOLDER,
    device_option,
    given,
    no_metadata_option,
    refuse,
    runs_option,
    seed_option,
    track_option,
)
from genkit.cli.output import echo
from genkit.cli.ranks import first_speaks
from genkit.cli.trained import data_of
from genkit.errors import UsageError
from genkit.files.text import quoted

if TYPE_CHECKING:
    from genkit.training.api import BudgetKind
    from genkit.training.runs import Run
    from genkit.training.settings import Settings


class Count(click.ParamType[int]):
    """A whole number, written like ``500k``, ``2M`` or ``60_000``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; fails with a usage error."""
        from genkit.training.given import count

        try:
            return count(value, "images")
        except UsageError:
            self.fail(f"{value!r} is not a number of images such as 60000, 500k or 2M", param, ctx)


_FIXED = (
    *("model", "preset", "assignments", "config", "images", "minutes", "batch", "seed", "milestones", "precision"),
    "allow_generated",
    *(name for name in OPENING if name not in MOVABLE),
)
"""Settings that a run keeps from its start, so --resume does not take them; its data may have been moved."""


@click.command(cls=Command)
@option(
    "--model", shell_complete=complete_model, section="Model", help="The model to train (genkit models lists them)."
)
@option(
    "--preset",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    section="Model",
    help="cpu: settings that train in minutes on two cores; gpu: in hours on one GPU.",
)
@option(
    "-o",
    "--option",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    section="Model",
    help="Option of the model; repeatable.",
)
@option("--config", type=FILE, section="Model", help="TOML file of the model's options.")
@dataset_options
@option(
    "--allow-generated",
    is_flag=True,
    section="Data",
    help="Train on images whose metadata say that they are generated.",
)
@option("--images", type=Count(), section="Budget", help="Images to train on, e.g. 500k; default: the preset's.")
@option("--minutes", type=float, section="Budget", help="Minutes to train instead (not bit-reproducible).")
@option("--batch", type=click.IntRange(min=1), section="Budget", help="Images per batch; default: the preset's.")
@option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of the losses; bfloat16 is mixed precision, the default on CUDA. Elsewhere it is float32.",
)
@option(
    "--checkpoint-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    section="Checkpoints",
    help="Seconds between checkpoints.",
)
@option(
    "--keep",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    section="Checkpoints",
    help="Newest checkpoints to keep.",
)
@option(
    "--milestones",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    section="Checkpoints",
    help="Checkpoints to keep along the way, for genkit eval --milestones.",
)
@option(
    "--resume",
    "resumed",
    metavar="RUN",
    shell_complete=complete_run,
    section="Checkpoints",
    help="Resume this run, by path or id.",
)
@option(
    "--at",
    type=FOLDER,
    section="Checkpoints",
    help="The run's folder: begin it there, or go on with what is there. The command to give to a scheduler.",
)
@option(
    "--profile",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Write a trace of so many steps into the run, and print the ten dearest operations.",
)
@track_option
@no_metadata_option
@seed_option
@device_option
@runs_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    dataset: str,
    opening: dict[str, Any],
    preset: BudgetKind,
    assignments: tuple[str, ...],
    config: Path | None,
    images: int | None,
    minutes: float | None,
    batch: int | None,
    seed: int,
    milestones: int,
    precision: Literal["float32", "bfloat16"] | None,
    device: str,
    root: Path,
    checkpoint_seconds: float,
    keep: int,
    resumed: str | None,
    track: list[str] | None,
    at: Path | None,
    profile: int | None,
    no_metadata: bool,
    allow_generated: bool,
) -> None:
    """Train a model, or resume a run; in several processes if torchrun launches them.

    \b
    genkit train --model dcgan --images 500k
    genkit train --model vae --dataset folder:photos --size 32 -o latent=32
    genkit train --resume runs/digits/dcgan/7f3a
    genkit train --model dcgan --at runs/digits/dcgan/mine
    torchrun --nproc-per-node 8 --no-python -- genkit train --model dcgan --at x
    """
    from genkit.training.at import run_at
    from genkit.training.distributed import in_turns, joined, of_first
    from genkit.training.runs import open_run
    from genkit.training.settings import Settings

    settings = Settings(
        checkpoint_seconds, keep, metadata=not no_metadata, track=tuple(track or ()), profile=profile or 0
    )
    with first_speaks(), joined():
        begun = of_first(lambda: _begun(ctx, root, resumed, at, model))
        if begun:
            run = _go_on(open_run(Path(begun)), given(ctx, "dataset", dataset), opening, device, settings)
        else:
            assert model
            from genkit.cli.progress import training_bar
            from genkit.options import override, parse_assignments, read_config
            from genkit.training.api import train

            options = override(read_config(config) if config else {}, parse_assignments(assignments))
            data = in_turns(lambda: open_dataset(dataset, opening))
            known = run_at(at) if at is not None else None
            finished = known is not None and known.finished
            with training_bar() as show:
                run = train(
                    model,
                    data,
                    preset=preset,
                    options=options,
                    images=images,
                    minutes=minutes,
                    batch=batch,
                    seed=seed,
                    milestones=milestones,
                    precision=precision,
                    device=device,
                    root=root,
                    at=at,
                    settings=settings,
                    dataset_options=opening,
                    allow_generated=allow_generated,
                    on_event=show,
                )
            if finished:  # with these settings, which were compared
                _say_finished(run, settings)
        echo(f"{run.path}")
        more = " --milestones" if run.milestones() else ""
        echo(
            f"sample grid: {run.path / 'samples.png'}   next: genkit eval --run {quoted(run.path)}{more}",
            err=True,
        )


def _begun(ctx: click.Context, root: Path, resumed: str | None, at: Path | None, model: str | None) -> str:
    """Return the folder of a run that is only gone on with: that of --resume, or of --at without a model; else ""."""
    from genkit.training.at import run_at
    from genkit.training.runs import find_run

    if resumed and at:
        raise UsageError("--resume and --at both name a run: give one of them")
    if resumed:
        refuse(ctx, _FIXED, "can't be given with --resume: a run keeps its settings")
        return str(find_run(root, resumed).path)
    begun = run_at(at) if at is not None else None
    if model:
        if at is None and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
            echo("torchrun may start this again, which begins another run: --at FOLDER goes on with one", err=True)
        return ""
    if at is not None:
        refuse(ctx, _FIXED, "needs --model: --at alone goes on with the run that is there")
    if begun is None:
        nowhere = f"there is no run in {at} to go on with: " if at is not None else ""
        raise UsageError(f"{nowhere}name a model, e.g. --model dcgan (genkit models lists them), or a run to --resume")
    return str(begun.path)


def _go_on(run: Run, dataset: str | None, opening: dict[str, Any], device: str, settings: Settings) -> Run:
    """Resume a run, or say that it is finished."""
    from genkit.cli.progress import training_bar
    from genkit.training.api import resume
    from genkit.training.distributed import any_of, in_turns

    if any_of(run.finished):
        _say_finished(run, settings)
        return run
    data = in_turns(lambda: data_of(run, dataset, **{name: opening.get(name) for name in MOVABLE}))
    with training_bar() as show:
        return resume(run, device=None if device == "auto" else device, dataset=data, settings=settings, on_event=show)


def _say_finished(run: Run, settings: Settings) -> None:
    """Say that a run is finished already, so that nothing is trained."""
    asked = [name for name, given in (("tracked", settings.track), ("profiled", settings.profile)) if given]
    nothing = f": nothing is {' or '.join(asked)}" if asked else ""
    echo(f"run {run.path} is finished already{nothing}", err=True)
