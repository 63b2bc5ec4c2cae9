"""Adapt a trained run to a few images."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from genkit.data import ImageDataset, open_dataset
from genkit.data.open import OpenOptions
from genkit.data.stream import BatchStream
from genkit.devices import pick_device, pick_precision
from genkit.errors import GenkitError, UsageError
from genkit.files.integrity import sha256_file
from genkit.files.text import logger, quoted
from genkit.models.base import GenerativeModel
from genkit.models.lora import add_lora
from genkit.results.environment import command_line, describe
from genkit.training import distributed, snapshot
from genkit.training.api import Event, seeded, train_run
from genkit.training.batch_norm import kind_of_statistics
from genkit.training.config import Method, RunConfig, Tuning
from genkit.training.ema import Ema
from genkit.training.given import (
    count,
    how_opened,
    reference_of,
    refuse_generated,
    refuse_unknown,
    with_whole_paths,
)
from genkit.training.phases import PhaseRunner
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, check_in_no_run, checkpoint_meta, create, load, named_run, open_run, with_newest
from genkit.training.settings import Settings
from genkit.training.stages import phases_of
from genkit.training.tracking import asked_for
from genkit.training.tuning import concept_split, say_if_known, tuning_data

_LOG = logger(__name__)

IMAGES = 120_000
RANK = 8
REPLAY = 0.9
"""Defaults: the budget in images, the rank of LoRA, and the share of old images."""

RATES: dict[Method, float] = {"lora": 4.0, "all": 1.0}
"""Default factors on the model's learning rates: what is added to frozen weights takes, and needs, larger steps."""


@distributed.joined()
def tune(
    run: Run | Path | str,
    dataset: str | Path | ImageDataset | Any,
    prompt: str = "",
    *,
    method: Method | None = None,
    rank: int | None = None,
    alpha: float | None = None,
    replay: float = REPLAY,
    rate: float | None = None,
    images: int | str = IMAGES,
    batch: int | None = None,
    seed: int = 0,
    device: str = "auto",
    root: Path | str = "runs",
    settings: Settings | None = None,
    parent_dataset: ImageDataset | Path | str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    allow_generated: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Run:
    """Adapt a trained run to a few images, such as 5 to 50, in a run folder of its own, and return that run.

    ``run`` is the parent: a run, its folder or its id. ``dataset`` has the new images, as for ``train``; they are
    brought to the size, channels and grey levels of the parent's. A model that reads prompts learns them under
    ``prompt``, or under their own captions without one. A model of classes learns more of classes that it has, by the
    names of folders.

    ``method`` "lora" trains two thin matrices beside each linear layer of the model's blocks (arXiv:2106.09685), of
    ``rank`` (8), times ``alpha / rank`` (``alpha`` is twice the rank unless given), and is the default of models that
    name such layers; "all" trains all weights of the last stage that is trained. ``replay`` is the share of training
    images from the parent's data, so that less is forgotten (prior preservation, arXiv:2208.12242); where that can't be
    opened there is no replay, which is said. ``parent_dataset`` says where it is now, and must be that data. ``rate``
    is a factor on the model's learning rates, RATES by default. Raises UsageError for options, prompts or classes that
    do not fit the model, MissingError and DataError for a run or images that are not there or are damaged, and
    otherwise as ``train``.
    """
    parent = run if isinstance(run, Run) else named_run(run)
    refuse_unknown(dataset_options or {}, [field.name for field in dataclasses.fields(OpenOptions)])
    prompt = prompt.strip()
    _check(rank, alpha, replay, rate)
    check_in_no_run(Path(root), "a folder of runs")
    asked_for(settings.track if settings is not None else ())
    target = pick_device(device)
    path, (model, weights) = with_newest(parent, lambda path: (path, (_loaded(parent, path), sha256_file(path))))
    last = max((phase.stage for phase in model.phases()), default=-1)
    if last < 0:
        raise UsageError(f"{parent.config.model} is not trained step by step: train it on the new images instead")
    if not parent.finished:
        _LOG.warning("run %s is partial: it is tuned as it is at %s", parent.path, path.name)
    method = method or ("lora" if model.adapts else "all")
    if method != "lora" and (rank is not None or alpha is not None):
        raise UsageError(f"{parent.config.model} is tuned by all its weights: rank and alpha go with --method lora")
    rank = RANK if rank is None else rank
    data, opening = distributed.in_turns(lambda: _opened(dataset, Path(root), model, dataset_options or {}))
    if not allow_generated:
        refuse_generated(data, "tune")
    concept = concept_split(data, model, prompt)
    old = distributed.in_turns(lambda: _old_data(parent, parent_dataset)) if replay else None
    if concept.captions is not None:
        say_if_known(model, prompt, old)
    tuning = Tuning(
        run=parent.id,
        dataset=data.name,
        dataset_sha256=data.sha256,
        images=len(concept),
        prompt=prompt,
        method=method,
        rank=rank if method == "lora" else 0,
        alpha=(2.0 * rank if alpha is None else float(alpha)) if method == "lora" else 0.0,
        replay=replay if old is not None else 0.0,
        rate=RATES[method] if rate is None else rate,
        opening=with_whole_paths(opening),
    )
    config = dataclasses.replace(
        parent.config,
        version=parent.offer().plugin.version,
        batch=parent.config.batch if batch is None else count(batch, "batch"),
        seed=count(seed, "seed", 0),
        images=count(images, "images"),
        minutes=None,
        milestones=0,
        processes=distributed.world(),
        device=str(target) if distributed.world() == 1 else target.type,
        precision=pick_precision(None, target),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        command=command_line(),
        environment=describe(),
        order="",
        batch_norm=kind_of_statistics(model),
        parent=weights,
        tuning=tuning,
    )
    mixed = tuning_data(config, concept, old)
    with seeded(config.seed, target):
        if method == "lora":
            add_lora(model, tuning.rank, tuning.alpha)
        model = model.to(target)
        state = _at_the_start(config, model, mixed, last, target)
        first = Path("checkpoints") / "step-000000000.safetensors"

        def made() -> str:
            return str(create(Path(root), config, lambda folder: snapshot.save(state, folder / first)).path)

        tuned = open_run(Path(distributed.of_first(made)))
        return train_run(tuned, lambda: model, mixed, target, settings or Settings(), on_event)


def _check(rank: int | None, alpha: float | None, replay: float, rate: float | None) -> None:
    """Raise UsageError for a number out of its range."""
    count(RANK if rank is None else rank, "rank")
    if alpha is not None and not 0 < alpha < float("inf"):
        raise UsageError(f"alpha is {alpha!r}: give a number above zero")
    if not 0 <= replay < 1:
        raise UsageError(f"replay is {replay!r}: give a share of the training images, from 0 to below 1")
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(f"rate is {rate!r}: give a factor on the learning rates above zero")


def _loaded(parent: Run, path: Path) -> GenerativeModel:
    """Load a run's model, trained to its last stage."""
    model = load(parent, checkpoint_path=path)
    if checkpoint_meta(path)["stage"] < model.stages - 1:
        raise UsageError(
            f"run {parent.path} has not come to its last stage yet: genkit train --resume {quoted(parent.path)}"
        )
    return model


def _opened(
    dataset: Any, root: Path, model: GenerativeModel, options: Mapping[str, Any]
) -> tuple[ImageDataset, dict[str, Any]]:
    """Open the new images in the size and colour of a model's, and return them and how they were opened."""
    given = reference_of(dataset, root)
    if isinstance(given, ImageDataset):
        return given, how_opened(given, options)
    channels, height, width = model.data.shape
    opening: dict[str, Any] = {"size": (height, width), "grey": channels == 1, **options}
    data = open_dataset(given, **opening)
    return data, how_opened(data, opening)


def _old_data(parent: Run, dataset: ImageDataset | Path | str | None) -> ImageDataset | None:
    """Open the parent's data; None, which is said, if it can't be opened and nobody says where it is."""
    try:
        return open_run_dataset(parent, dataset)
    except GenkitError as error:
        if dataset is not None:
            raise
        _LOG.warning("tuned without replay of old images, so more may be forgotten: %s", error)
        return None


def _at_the_start(
    config: RunConfig, model: GenerativeModel, data: ImageDataset, stage: int, device: torch.device
) -> snapshot.State:
    """Return the state of a tuned run before its first step: the parent's weights, inside the last trained stage."""
    runner = PhaseRunner(model, phases_of(model, config), config.seed, device)
    stream = BatchStream(data.train, config.batch, config.seed, device)
    return snapshot.State(model, Ema(model, model.ema, model.ema_half_life), runner, stream, stage=stage)
