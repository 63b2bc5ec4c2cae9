"""Start and resume training runs; the loop itself is in genkit.training.loop."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from genkit.data import ImageDataset, open_dataset
from genkit.data.open import OpenOptions
from genkit.data.summary import describe_data
from genkit.devices import pick_device, pick_precision
from genkit.errors import GenkitError, Interrupted, UsageError
from genkit.files.guard import AT_ONCE
from genkit.files.locks import Held, holding
from genkit.files.text import logger
from genkit.models.base import GenerativeModel, Preset
from genkit.models.drawing import split_options
from genkit.models.memory import freed_memory_kept
from genkit.options import build, override, to_json
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.results.environment import command_line, describe
from genkit.seeds import derive
from genkit.training import distributed
from genkit.training.at import agreed_run_at, begin_at, check_same
from genkit.training.batch_norm import kind_of_statistics
from genkit.training.config import RunConfig
from genkit.training.endings import built_model, recorded
from genkit.training.given import (
    count,
    how_opened,
    reference_of,
    refuse_generated,
    refuse_unknown,
    with_whole_paths,
)
from genkit.training.loop import Loop
from genkit.training.progress import notebook_display
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, check_in_no_run, create, model_class, named_run, open_run
from genkit.training.settings import Settings
from genkit.training.signals import StopSignal
from genkit.training.tracking import Trackers, asked_for
from genkit.training.tuning import open_tuning_data, write_adapter

_LOG = logger(__name__)

Event = dict[str, Any]
BudgetKind = Literal["cpu", "gpu"]
"""The budget of a preset: minutes on two CPU cores, or hours on one GPU."""


def find_preset(model: str, dataset: str, kind: BudgetKind = "cpu") -> Preset:
    """Return a model's preset: for "cpu" the data set's own, else the default; for "gpu" the one for all data sets.

    Raises UsageError for another kind, or for a model without a preset for a GPU.
    """
    presets = model_class(model).presets
    if kind == "gpu":
        if "gpu" not in presets:
            raise UsageError(f"{model} has no preset for a GPU: use the one for a CPU, which runs on any device")
        return presets["gpu"]
    if kind != "cpu":
        raise UsageError(f"there are presets for 'cpu' and 'gpu', not for {kind!r}")
    return presets.get(dataset) or presets.get("default") or Preset(images=200_000)


def draws_as_its_preset(config: RunConfig) -> bool:
    """Whether a run's own options of drawing are those of its model's preset, as of a run that named none."""
    name = f"{config.dist}:{config.model}"
    sampling, preset = model_class(name).Sampling, find_preset(name, config.dataset)
    own: Any = build(sampling, config.sampling, config.model)
    return bool(own == build(sampling, preset.sampling, config.model))


def train(
    model: str,
    dataset: str | Path | ImageDataset | Any = "digits",
    *,
    preset: BudgetKind = "cpu",
    options: Mapping[str, Any] | None = None,
    images: int | str | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    seed: int = 0,
    milestones: int = 0,
    device: str = "auto",
    precision: Literal["float32", "bfloat16"] | None = None,
    root: Path | str = "runs",
    at: Path | str | None = None,
    settings: Settings | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    allow_generated: bool = False,
    on_event: Callable[[Event], None] | None = None,
    **opening: Any,
) -> Run:
    """Train a model in a new run folder and return the run.

    With ``at`` the run is in that folder: begun there, gone on with if it is there with the same settings, or returned
    if it is finished. Launched by torchrun, the processes train one run together, each on its own GPU.

    ``dataset`` is a name or path as for open_dataset, an array or tensor of images as in an .npz file, a pair of images
    and labels, or a torch Dataset; images in memory are kept in ``root``. ``dataset_options`` are further arguments of
    open_dataset, e.g. ``{"size": 64}``; ``size=64`` means the same.

    The budget is ``images`` (all that are drawn count; "500k" is 500,000) or ``minutes``; without either, the preset's.
    ``preset`` is "cpu" or "gpu" whatever the device, as a budget must not depend on the machine. ``options`` override
    the preset's, those of drawing too. ``milestones`` checkpoints are kept at even distances, to be measured later.
    ``precision`` is that of the losses: "bfloat16" is mixed precision by torch.autocast, with weights and optimisers in
    float32, and the default on CUDA where it is supported; elsewhere that is "float32". Without ``on_event`` a notebook
    shows the progress. ``allow_generated`` trains on images though their metadata say that a model made them, for which
    it otherwise raises DataError; ``exclude_generated=True`` leaves them out. Raises UsageError for invalid options,
    preset, device or precision, TrainingError if the run fails, Interrupted after Ctrl-C or SIGTERM.
    """
    open_options: dict[str, Any] = {**(dataset_options or {}), **opening}
    refuse_unknown(open_options, [field.name for field in dataclasses.fields(OpenOptions)])
    if images is not None and minutes is not None:
        raise UsageError("a budget is in images or in minutes, not both")
    if minutes is not None and not (isinstance(minutes, int | float) and 0 < minutes < math.inf):
        raise UsageError(f"minutes is {minutes!r}: a budget must be a number above zero and finite")
    budget = None if images is None else count(images, "images")
    batch_size = None if batch is None else count(batch, "batch")
    seed, milestones = count(seed, "seed", 0), count(milestones, "milestones", 0)
    if milestones and minutes is not None:
        raise UsageError("milestones are a number of checkpoints of a budget in images")
    if at is None:
        check_in_no_run(Path(root), "a folder of runs")

    def prepare() -> tuple[RunConfig, ImageDataset, torch.device]:
        """Find out all that a run is made of; what is wrong with it is said before anything is written."""
        asked_for(settings.track if settings is not None else ())
        offer = registry().find(ModelSpec, model)
        cls = model_class(model)
        target = pick_device(device) if begun is None else _device_of(begun, device)
        precise = pick_precision(precision, target)
        given, how = reference_of(dataset, Path(root)), open_options
        if isinstance(given, ImageDataset):
            data, how = given, how_opened(given, open_options)
        else:
            data = open_dataset(given, **open_options)
        if not allow_generated:
            refuse_generated(data)
        chosen = find_preset(model, data.name, preset)
        trained_with, drawn_with = split_options(cls, options or {})
        built: Any = build(cls.Options, override(chosen.options, trained_with), model)
        sampling: Any = build(cls.Sampling, {**chosen.sampling, **drawn_with}, model)
        config = RunConfig(
            model=offer.spec.name,
            dist=offer.plugin.dist,
            version=offer.plugin.version,
            options=to_json(built),
            sampling=to_json(sampling),
            dataset=data.name,
            dataset_slug=data.slug,
            dataset_sha256=data.sha256,
            data=data.info(),
            dataset_summary=describe_data(data),
            batch=batch_size or chosen.batch,
            seed=seed,
            images=None if minutes is not None else budget or chosen.images,
            minutes=minutes,
            processes=distributed.world(),
            milestones=milestones,
            opening=with_whole_paths(how),
            device=str(target) if distributed.world() == 1 else target.type,
            precision=precise,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            command=command_line(),
            environment=describe(),
        )
        if begun is not None:
            check_same(begun, config, data, precision)
        return config, data, target

    with distributed.joined():
        begun = agreed_run_at(Path(at)) if at is not None else None
        config, data, target = distributed.in_turns(prepare)
        if begun is not None:
            return _go_on(begun, data, target, settings, on_event)
        with seeded(seed, target):
            stands = built_model(config, target)  # before the folder: a model that can't be built leaves no run
            config = dataclasses.replace(config, batch_norm=kind_of_statistics(stands))

            def made() -> str:
                return str((create(Path(root), config) if at is None else begin_at(Path(at), Path(root), config)).path)

            run = open_run(Path(distributed.of_first(made)))
            return train_run(run, lambda: stands, data, target, settings or Settings(), on_event)


def resume(
    run: Run | Path | str,
    *,
    device: str | None = None,
    dataset: ImageDataset | Path | str | None = None,
    settings: Settings | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Run:
    """Resume a run from its newest checkpoint; on the same CPU, torch and number of threads it ends bit-identical.

    Of several processes there are as many as began it. ``dataset`` says where the data is now, if it was moved. Raises
    UsageError where the run's precision can't be had, MissingError without a run or its data, DataError if the data
    set's content has changed.
    """
    resumed = run if isinstance(run, Run) else named_run(run)

    def prepare() -> tuple[ImageDataset, torch.device]:
        target = _device_of(resumed, device)
        pick_precision(resumed.config.precision, target)
        if resumed.config.tuning is None:
            return open_run_dataset(resumed, dataset), target
        return open_tuning_data(resumed, dataset), target

    with distributed.joined():
        if distributed.any_of(resumed.finished):
            return resumed
        data, target = distributed.in_turns(prepare)
        return _go_on(resumed, data, target, settings, on_event)


def _device_of(run: Run, wanted: str | None) -> torch.device:
    """Return the device that a run goes on on: its own unless another is named; raises UsageError for one not here."""
    if wanted not in (None, "auto"):
        return pick_device(str(wanted))
    try:
        return pick_device(run.config.device)
    except UsageError as error:
        raise UsageError(f"{error}; --device cpu goes on here, without bit-identity") from error


def _go_on(
    run: Run,
    data: ImageDataset,
    device: torch.device,
    settings: Settings | None,
    on_event: Callable[[Event], None] | None,
) -> Run:
    """Train a run that was begun from its newest checkpoint to its end, unless it is there."""
    if distributed.any_of(run.finished):
        return run
    if distributed.world() != run.config.processes:
        raise UsageError(
            f"run {run.path} was begun by {run.config.processes} processes, not {distributed.world()}: "
            "launch as many, as their number changes the batch and every random draw"
        )
    with seeded(run.config.seed, device):
        return train_run(run, lambda: run.make_model().to(device), data, device, settings or Settings(), on_event)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch as a run's first weights are drawn, and leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(seed, "init"))
        yield


def train_run(
    run: Run,
    make: Callable[[], GenerativeModel],
    data: ImageDataset,
    device: torch.device,
    settings: Settings,
    on_event: Callable[[Event], None] | None,
) -> Run:
    """Train a run to its end, from its newest checkpoint; raises as ``train`` does."""
    distributed.check_device(device)
    on_event = on_event or notebook_display()
    rank, several = distributed.rank(), distributed.world() > 1
    trackers = Trackers(run, settings.track)
    settings = dataclasses.replace(settings, track=trackers.names)

    def tell(event: Event) -> None:
        nonlocal on_event
        if rank:
            return
        try:
            if on_event is not None:
                on_event(event)
        except Exception as error:  # a broken progress display must not stop the training
            on_event = None
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            _LOG.warning("the progress of %s is no longer shown: %s", run.path, cause)
        if event["kind"] != "progress":
            registry().observe("genkit_train_event", event=event)
            trackers.event(event)

    stop = StopSignal(AT_ONCE if several else 0.0)
    try:
        with (
            freed_memory_kept(device),
            holding(run.lock(rank)),
            contextlib.closing(trackers),
            recorded(run, device, tell) as ending,
            stop.listening(),
        ):
            loop = Loop(run, make(), data, device, settings, tell, stop)
            ending.monitor = loop.monitor
            loop.train()
            if not rank:
                write_adapter(run)
            distributed.barrier()  # a process that ends before the first has saved would have a launcher end that too
            if distributed.any_of(stop.received):
                raise Interrupted(f"run {run.path} is finished, and nothing else is done")
    except Held as error:
        raise GenkitError(f"run {run.path} is being trained by another process") from error
    except OSError as error:
        raise GenkitError(
            f"run {run.path} can't be trained: {error.filename or run.path}: {error.strerror or error}"
        ) from error
    return run
