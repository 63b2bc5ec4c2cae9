"""genkit train"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.common import complete_model, complete_run, dataset_options, device_option, opening, refuse, runs_option
from genkit.errors import UsageError

if TYPE_CHECKING:
    from genkit.training.api import BudgetKind


class Count(click.ParamType[int]):
    """A whole number, as ``500k``, ``2M`` or ``60_000``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; fails with a usage error."""
        if isinstance(value, int):
            return value
        text = str(value).strip().replace("_", "").replace(",", "")
        factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
        try:
            number = float(text[:-1] if factor > 1 else text) * factor
            if number < 1 or number != int(number):
                raise ValueError
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number of images such as 60000, 500k or 2M", param, ctx)
        return int(number)


_FIXED = (
    *("model", "preset", "assignments", "config", "images", "minutes", "batch", "seed", "milestones"),
    *("dataset", "size", "crop", "skip_bad", "grey"),
)
"""What a run keeps from its beginning."""


@click.command()
@click.option("--model", shell_complete=complete_model, help="What to train (genkit models lists them).")
@dataset_options
@click.option(
    "--preset",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="The model's settings for two cores and minutes, or for one GPU and hours.",
)
@click.option("-o", "--option", "assignments", multiple=True, metavar="KEY=VALUE", help="A model's option; repeatable.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file of the model's options.")
@click.option("--images", type=Count(), help="Budget in images shown, as 500k; the preset's by default.")
@click.option("--minutes", type=float, help="Budget in minutes instead (not bit-reproducible).")
@click.option("--batch", type=click.IntRange(min=1), help="Images per batch; the preset's by default.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--milestones",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Checkpoints that stay on the way, for genkit eval --milestones.",
)
@device_option
@runs_option
@click.option("--checkpoint-seconds", type=float, default=60.0, show_default=True, help="Save this often.")
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="Checkpoints to keep.")
@click.option(
    "--resume", "resumed", metavar="RUN", shell_complete=complete_run, help="Go on with a run: its path or id."
)
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    dataset: str,
    data_root: Path | None,
    size: int | None,
    crop: str | None,
    skip_bad: bool,
    grey: bool,
    preset: BudgetKind,
    assignments: tuple[str, ...],
    config: Path | None,
    images: int | None,
    minutes: float | None,
    batch: int | None,
    seed: int,
    milestones: int,
    device: str,
    root: Path,
    checkpoint_seconds: float,
    keep: int,
    resumed: str | None,
) -> None:
    """Train a model, or go on with a run.

    \b
    genkit train --model dcgan --images 500k
    genkit train --model vae --dataset folder:photos --size 32 -o latent=32
    genkit train --resume runs/digits/dcgan/7f3a
    """
    from genkit.cli.progress import training_bar
    from genkit.options import override, parse_assignments, read_config
    from genkit.training.settings import Settings

    settings = Settings(checkpoint_seconds=checkpoint_seconds, keep=keep)
    if resumed:
        refuse(ctx, _FIXED, "can't be given with --resume: a run goes on as it began")
        from genkit.training.api import open_run_dataset, resume
        from genkit.training.runs import find_run

        run = find_run(root, resumed)
        if run.finished:
            click.echo(f"run {run.path} is finished already", err=True)
        else:
            wanted = None if device == "auto" else device
            data = open_run_dataset(run, data_root=data_root)
            with training_bar() as show:
                resume(run, device=wanted, dataset=data, settings=settings, on_event=show)
    else:
        if not model:
            raise UsageError("name a model, as --model dcgan (genkit models lists them), or --resume a run")
        from genkit.cli.opening import open_shown
        from genkit.training.api import train

        how = opening(data_root, size, crop, skip_bad, grey)
        options = override(read_config(config) if config else {}, parse_assignments(assignments))
        data = open_shown(dataset, how)
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
                device=device,
                root=root,
                settings=settings,
                dataset_options=how,
                on_event=show,
            )
    click.echo(f"{run.path}")
    more = " --milestones" if run.milestones() else ""
    click.echo(f"sample grid: {run.path / 'samples.png'}   next: genkit eval --run {run.path}{more}", err=True)
