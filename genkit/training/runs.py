"""Run folders: ``runs/<dataset>/<model>/<id>/`` with run.json, status.json, checkpoints/, log.jsonl, samples, records.

run.json says how the run was made and never changes; status.json says how far it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from genkit.data.dataset import DataInfo
from genkit.data.open import absolute_reference_or_same
from genkit.errors import DataError, GenkitError, MissingError, PluginError, UnknownName, UsageError
from genkit.files.guard import blamed
from genkit.files.integrity import sealed, unsealed
from genkit.files.locks import Lock, lock_at
from genkit.files.order import next_in_order, placed
from genkit.files.reading import read_file
from genkit.files.text import existing, logger, quoted
from genkit.files.writing import publishing, write_atomic
from genkit.models.base import GenerativeModel, check_sample
from genkit.models.drawing import draw_with
from genkit.models.lora import add_lora, merge_lora
from genkit.options import build
from genkit.registry.discovery import Offer, registry
from genkit.registry.specs import ModelSpec
from genkit.training import checkpoint
from genkit.training.config import RunConfig
from genkit.training.status import Status, read_document, read_status

_LOG = logger(__name__)

T = TypeVar("T")

ADAPTER = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json")
"""What LoRA learned, in the folder of a run that ``genkit tune`` made."""


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    path: Path
    config: RunConfig

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def store(self) -> Path:
        """The folder of the runs that it lies in, or its parent if it was given a place of its own."""
        folder, parts = self.path.absolute(), (self.config.dataset_slug, self.config.model)
        return folder.parents[2] if folder.parts[-3:-1] == parts else folder.parent

    def offer(self) -> Offer[ModelSpec]:
        """Return the plugin's offer of the run's model; another plugin's of that name if that plugin is gone."""
        try:
            return registry().find(ModelSpec, f"{self.config.dist}:{self.config.model}")
        except UnknownName:
            return registry().find(ModelSpec, self.config.model)

    def make_model(self) -> GenerativeModel:
        """Build the run's model, untrained; with the matrices of LoRA, if the run has them."""
        config = self.config
        model = make_model(self.offer().qualified, config.options, config.data)
        if config.tuning is not None and config.tuning.method == "lora":
            add_lora(model, config.tuning.rank, config.tuning.alpha)
        return draw_with(model, config.sampling, config.model)

    @property
    def status(self) -> Status:
        """How far it is; raises DataError if status.json can't be read."""
        return read_status(self.path, self.lock())

    def lock(self, rank: int = 0) -> Lock:
        """The lock that one of the processes that train the run holds while it lives."""
        return lock_at(self.path / f".lock-{rank}")

    def write_status(self, status: Status) -> None:
        """Replace status.json atomically."""
        status.write(self.path)

    @property
    def finished(self) -> bool:
        """Whether training used its whole budget."""
        return self.status.state == "finished"

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def milestones(self) -> list[Path]:
        """The milestone checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("milestone-*.safetensors"))

    def newest_checkpoint(self) -> Path:
        """The newest checkpoint; raises MissingError if there is none."""
        checkpoints = self.checkpoints()
        if not checkpoints and self.finished:
            raise MissingError(
                f"run {self.path} is finished, and its checkpoints are gone: restore them from a copy, or train anew"
            )
        if not checkpoints:
            raise MissingError(f"run {self.path} has no checkpoint yet: genkit train --resume {quoted(self.path)}")
        return checkpoints[-1]


def create(root: Path, config: RunConfig, begin: Callable[[Path], None] | None = None) -> Run:
    """Make a new run folder with a short id of its own; ``begin`` writes what it has from the start into a folder."""
    parent = root / config.dataset_slug / config.model
    try:
        parent.mkdir(parents=True, exist_ok=True)
        config = in_order(root, config)
        while (path := parent / secrets.token_hex(2)).exists():
            pass
        with publishing(path) as folder:
            if begin is not None:
                begin(folder)
            write_atomic(folder / "run.json", sealed(dataclasses.asdict(config)))
    except OSError as error:
        raise GenkitError(f"no run folder can be made in {parent}: {error.strerror or error}") from error
    return Run(path, config)


def check_in_no_run(folder: Path, what: str) -> None:
    """Raise UsageError for a folder in a run; it asks for ``what`` that is in none."""
    whole = folder.resolve()
    around = next((each for each in (whole, *whole.parents[:3]) if _is_run(each)), None)
    if around is not None:
        raise UsageError(f"{folder} is inside the run {around}: name {what} that is in no run")


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run's: other programs have files of the name run.json too."""
    with contextlib.suppress(GenkitError):
        return open_run(folder) is not None
    return False


def in_order(root: Path, config: RunConfig) -> RunConfig:
    """Return a new run's config with its place after all runs below ``root``."""
    earlier = [time for folder in _folders(root) for time in _times(folder)]
    return dataclasses.replace(config, order=next_in_order(earlier, config.created))


def open_run(path: Path) -> Run:
    """Open a run folder; raises MissingError or DataError."""
    try:
        return Run(path, read_document(RunConfig, path / "run.json", "restore it from a copy"))
    except FileNotFoundError as error:
        raise MissingError(f"there is no run at {path}: genkit runs lists them") from error


def find_runs(
    root: Path,
    *,
    dataset: str | None = None,
    model: str | None = None,
    dist: str | None = None,
    unreadable: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Yield the runs below ``root``, oldest first.

    A run that can't be read is skipped, and ``unreadable`` is called with the reason.
    """
    names = (dataset, dataset and absolute_reference_or_same(dataset))
    found = []
    for folder in _folders(root):
        try:
            config = (run := open_run(folder)).config
            of_model = model in (None, config.model) and dist in (None, config.dist)
            if of_model and (dataset is None or config.dataset in names or config.dataset_slug == dataset):
                run.status  # noqa: B018 - raises DataError if it can't be read
                found.append(run)
        except (DataError, MissingError) as error:
            if unreadable is not None:
                unreadable(str(error))
    yield from sorted(found, key=lambda run: (placed(run.config.order, run.config.created), run.id))


def named_run(run: Path | str) -> Run:
    """Open a run by its folder, one of its checkpoints, or its id in the folder ``GENKIT_RUNS``, else ``runs``.

    Raises MissingError or DataError.
    """
    path = Path(run)
    if path.suffix == ".safetensors":
        folder = path.absolute().parent
        if folder.name != "checkpoints" or not (folder.parent / "run.json").is_file():
            raise MissingError(f"{path} belongs to no run: leave a checkpoint in its run's checkpoints folder")
        return open_run(folder.parent)
    if len(path.parts) == 1 and not (path / "run.json").is_file():
        return find_run(Path(os.environ.get("GENKIT_RUNS", "runs")), str(run))
    return open_run(path)


def find_run(root: Path, text: str) -> Run:
    """Find a run by its path, its id or the beginning of its id; raises MissingError or DataError."""
    path = Path(existing(text))
    if (path / "run.json").is_file():
        return open_run(path)
    is_id = text != "" and os.sep not in text
    matches = [folder for folder in _folders(root) if is_id and folder.name.startswith(text)]
    if len(matches) > 1:
        raise MissingError(f"{text!r} is the beginning of {len(matches)} runs: {', '.join(map(str, matches))}")
    if not matches:
        raise MissingError(f"there is no run {text!r} in {root}: genkit runs lists them")
    return open_run(matches[0])


def _times(folder: Path) -> list[str]:
    """When a run came into its store, as far as it says so."""
    try:
        config = unsealed(read_file(folder / "run.json"), folder)
        return [time for name in ("order", "created") if isinstance(time := config.get(name), str)]
    except (OSError, DataError):
        return []


def _folders(root: Path) -> list[Path]:
    return sorted(file.parent for file in root.glob("*/*/*/run.json"))


def make_model(name: str, options: dict[str, Any], data: DataInfo) -> GenerativeModel:
    """Build a model by name with checked options; raises UsageError, or PluginError for one whose code fails."""
    cls = model_class(name)
    check_sample(cls)
    return blamed(f"model {name!r} can't be built", lambda: cls(build(cls.Options, options, name), data))


def model_class(name: str) -> type[GenerativeModel]:
    """Return the class of a model's name."""
    cls = registry().find(ModelSpec, name).spec.load()
    if not (isinstance(cls, type) and issubclass(cls, GenerativeModel)):
        raise PluginError(f"model {name!r} is {cls!r}, not a GenerativeModel class")
    return cls


def load(
    run: Run | Path | str,
    *,
    checkpoint_path: Path | str | None = None,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
    merge: bool = True,
) -> GenerativeModel:
    """Load a run's model in eval mode, with averaged weights unless ``raw``.

    ``run`` is a run, its folder, its id, or one of its checkpoints. ``sampling`` changes options of drawing, e.g.
    ``{"guidance": 2}``, and raises OptionsError for one that the model does not have. What LoRA adapted has plain
    layers with the adapted weights, unless ``merge`` is False. Raises MissingError without a run or checkpoint and
    DataError for one that does not fit.
    """
    if not isinstance(run, Run):
        if checkpoint_path is None and Path(run).suffix == ".safetensors":
            checkpoint_path = run
        run = named_run(run)
    model = run.make_model()
    prefixes = ("model/",) if raw else ("model/", "ema/")  # averages replace the weights of their names
    if checkpoint_path is not None:
        path = Path(checkpoint_path)
        tensors, meta = checkpoint.load(path, prefixes)
    else:
        path, (tensors, meta) = with_newest(run, lambda path: (path, checkpoint.load(path, prefixes)))
    state: dict[str, Tensor] = {}
    for prefix in prefixes:
        state |= {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    checkpoint.restore_module(model, state, str(path))
    if (stage := checkpoint.meta_of(meta, path).stage) < model.stages - 1:
        _LOG.warning("%s is from stage %d of %d: the model can't draw yet", path, stage + 1, model.stages)
    model = merge_lora(model) if merge else model
    return draw_with(model.eval(), sampling or {}, run.config.model)


def with_newest(run: Run, work: Callable[[Path], T]) -> T:
    """Return what ``work`` makes of the newest checkpoint; again, if training has meanwhile replaced that by a newer.

    Raises MissingError if there is none, and what ``work`` raises for one that is still there.
    """
    while True:
        path = run.newest_checkpoint()
        try:
            return work(path)
        except (GenkitError, OSError):
            if path.exists() or path == run.newest_checkpoint():
                raise


def checkpoint_meta(path: Path) -> dict[str, Any]:
    """Return a checkpoint's metadata: ``drawn`` images, ``seconds``, ``index`` of the step, ``stage`` and more.

    Raises MissingError without the file, DataError for one that is damaged.
    """
    return vars(checkpoint.meta_of(checkpoint.load(path, "\0")[1], path))
