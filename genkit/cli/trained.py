"""The trained run that a command means: by path or id, the newest of a model, or one trained now."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genkit.cli.options import same_runs
from genkit.cli.output import echo, left_out
from genkit.errors import GenkitError, MissingError, UsageError, suggestion
from genkit.files.text import quoted
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec

if TYPE_CHECKING:
    from genkit.data import ImageDataset
    from genkit.training.runs import Run


def trained_run(
    root: Path, model: str | None, run_id: str | None, dataset: str | None = None, checkpoint: Path | None = None
) -> Run:
    """Return a run as ``run_with_data`` does, for a command that needs no data, so that --dataset picks runs only."""
    if model is None and dataset is not None and (run_id is not None or checkpoint is not None):
        raise UsageError("--dataset goes with --model here: a run draws without its data")
    return run_with_data(root, model, run_id, dataset, checkpoint)


def run_with_data(
    root: Path, model: str | None, run_id: str | None, dataset: str | None = None, checkpoint: Path | None = None
) -> Run:
    """Return the named run, or the newest finished one of a model; stderr says which, and if training is unfinished.

    A run that was tuned to other images is only taken if it is named.
    The run of a checkpoint is named by that file, whose weights are then used.

    ``dataset`` is a data set's name in the runs, or where the data is now; ``data_of`` opens it.
    """
    from genkit.training.runs import find_run, find_runs

    if sum(each is not None for each in (model, run_id, checkpoint)) != 1:
        raise UsageError("name one of --model NAME, --run RUN and --checkpoint FILE")
    if checkpoint is not None:
        return run_of(checkpoint)
    if run_id is not None:
        run = find_run(root, run_id)
        if not run.finished:
            say_partial(run)
        return run
    assert model is not None
    offer = registry().find(ModelSpec, model)
    mine: dict[str, Any] = {"model": offer.spec.name, "dist": offer.plugin.dist}
    found = find_runs(root, dataset=dataset, unreadable=left_out, **mine)
    finished = [run for run in found if run.finished and run.config.tuning is None]
    if not finished and dataset is not None and (sha256 := _content(dataset)) is not None:
        every = [run for run in find_runs(root, **mine) if run.finished and run.config.tuning is None]
        finished = [run for run in every if run.config.dataset_sha256 == sha256]
    if not finished:
        known = {run.config.dataset for run in find_runs(root, **mine)} if dataset is not None else set()
        on = f" on {dataset}" if dataset is not None else ""
        raise MissingError(
            f"there is no finished run of {model}{on} in {root}.{suggestion(dataset or '', known)}  "
            f"(genkit train --model {model}{f' --dataset {quoted(dataset)}' if dataset else ''}{same_runs()} makes one)"
        )
    echo(f"run {finished[-1].path}, trained on {finished[-1].config.dataset}", err=True)
    return finished[-1]


def run_of(checkpoint: Path) -> Run:
    """Return the run that a checkpoint belongs to; raises MissingError or UsageError if there is none."""
    from genkit.training.runs import open_run

    if not checkpoint.is_file():
        raise MissingError(f"there is no checkpoint {checkpoint}")
    folder = checkpoint.resolve().parent
    if folder.name != "checkpoints" or not (folder.parent / "run.json").is_file():
        raise UsageError(f"{checkpoint} belongs to no run: leave a checkpoint in its run's checkpoints folder")
    return open_run(folder.parent)


def data_of(run: Run, dataset: str | None, data_root: Path | None = None, labels: str | None = None) -> ImageDataset:
    """Open a run's data, at its recorded place unless ``dataset`` names another; say what it was read as."""
    from genkit.cli.data import opened
    from genkit.data.open import absolute_reference_or_same
    from genkit.training.run_data import open_run_dataset

    named = dataset is None or run.config.dataset_slug == dataset
    moved = None if named or absolute_reference_or_same(str(dataset)) == run.config.dataset else dataset
    return opened(open_run_dataset, run, moved, data_root=data_root, labels=labels)


def _content(reference: str) -> str | None:
    """Return the content hash of a data set, or None if there is none of that name or at that place."""
    from genkit.data import open_images

    try:
        return open_images(reference).sha256
    except GenkitError:
        return None


def say_partial(run: Run) -> None:
    """Say on stderr that a run's training has not finished."""
    echo(f"run {run.path} is partial: its training has not used its whole budget", err=True)


def refuse_other_runs(model: str, root: Path, named: str | None, dataset: str) -> None:
    """Raise UsageError for a model with finished runs, of which none is of ``dataset``, where no data set was named."""
    from genkit.training.runs import find_runs

    if named is not None:
        return
    offer = registry().find(ModelSpec, model)
    found = find_runs(root, model=offer.spec.name, dist=offer.plugin.dist)
    trained = {run.config.dataset_slug: run for run in found if run.finished and run.config.tuning is None}
    if trained and dataset not in trained:
        newest = list(trained)[-1]
        raise UsageError(
            f"{model} was trained on {', '.join(map(quoted, sorted(trained)))}, and not on {dataset}, the data set if "
            f"none is named: give --run {trained[newest].path}, or --dataset {dataset} to train it on that"
        )


def find_or_train(
    model: str, dataset: str, opening: dict[str, Any], device: str, root: Path
) -> tuple[Run, ImageDataset]:
    """Return the newest finished run of a model on a data set, and the data set under the name it has in that run.

    Runs that were tuned to other images do not count.
    Without such a run, the model's preset is trained, or an unfinished run of it is resumed.
    """
    data, runs = _runs_on(model, dataset, opening, root)
    finished = [run for run in runs if run.finished]
    return _with_its_name(data, finished[-1] if finished else _train(model, data, runs, opening, device, root))


def find_finished(model: str, dataset: str, opening: dict[str, Any], root: Path) -> tuple[Run, ImageDataset]:
    """Return what ``find_or_train`` does of a run that there is; raises MissingError without."""
    data, runs = _runs_on(model, dataset, opening, root)
    finished = [run for run in runs if run.finished]
    if not finished:
        raise MissingError(
            f"there is no finished run of {model} on {data.name} in {root}, and parts measure one that there is: train "
            f"it first by genkit train --model {model} --dataset {quoted(dataset)}{same_runs()}"
        )
    return _with_its_name(data, finished[-1])


def _runs_on(model: str, dataset: str, opening: dict[str, Any], root: Path) -> tuple[ImageDataset, list[Run]]:
    """Return a data set, and the runs of a model on it that were not tuned to other images."""
    from genkit.cli.data import open_dataset
    from genkit.training.runs import find_runs

    offer = registry().find(ModelSpec, model)
    data = open_dataset(dataset, opening)
    found = find_runs(root, model=offer.spec.name, dist=offer.plugin.dist, unreadable=left_out)
    return data, [run for run in found if run.config.dataset_sha256 == data.sha256 and run.config.tuning is None]


def _with_its_name(data: ImageDataset, run: Run) -> tuple[Run, ImageDataset]:
    return run, dataclasses.replace(data, name=run.config.dataset, short_name=run.config.dataset_slug)


def _train(model: str, data: ImageDataset, partial: list[Run], opening: dict[str, Any], device: str, root: Path) -> Run:
    from genkit.cli.progress import training_bar
    from genkit.options import current_names, to_json
    from genkit.training.api import draws_as_its_preset, find_preset, resume, train
    from genkit.training.runs import make_model

    preset = find_preset(model, data.name)
    built = make_model(model, dict(preset.options), data.info())
    options = to_json(built.options)
    for run in reversed(partial):
        as_preset = current_names(run.config.options) == options and draws_as_its_preset(run.config)
        if as_preset and run.config.images == preset.images:
            echo(f"resuming the unfinished run {run.path}", err=True)
            with training_bar() as show:
                return resume(run, dataset=data, on_event=show)
    if partial:
        path = partial[-1].path
        echo(f"partial runs are left alone, such as {path} (genkit eval --run measures one)", err=True)
    budget = f"{preset.images:,} images" if built.phases() else "closed form"
    echo(f"no trained {model} for {data.name} yet: training its preset ({budget})", err=True)
    with training_bar() as show:
        run = train(model, data, device=device, root=root, dataset_options=opening, on_event=show)
    echo(f"  {run.path}  (sample grid: {run.path / 'samples.png'})", err=True)
    return run
