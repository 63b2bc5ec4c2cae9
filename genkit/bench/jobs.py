"""Jobs: one model, trained from one seed and measured. A job is known by the hash of its inputs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.bench.plan import Plan
from genkit.data import ImageDataset
from genkit.documents import parse
from genkit.errors import DataError
from genkit.evidence.seeing import identity
from genkit.features import default_extractor, load_extractor
from genkit.options import build, to_json
from genkit.paths import write_atomic
from genkit.protocol import fingerprint
from genkit.registry import registry
from genkit.runs import Run, find_runs, model_class
from genkit.specs import MetricSpec, ModelSpec
from genkit.training import find_preset

SCHEMA = 1


@dataclass(frozen=True)
class Job:
    """What is trained, and in ``asked`` how it is measured: all that moves its record."""

    model: str
    dist: str
    version: str
    options: dict[str, Any]
    dataset_sha256: str
    seed: int
    images: int
    batch: int
    asked: dict[str, Any]

    @property
    def id(self) -> str:
        """Twelve digits of the inputs' hash."""
        return fingerprint(dataclasses.asdict(self))

    def runs(self, root: Path) -> list[Run]:
        """Return the runs below ``root`` that train what the job does, oldest first."""
        mine = find_runs(root, model=self.model, dist=self.dist, unreadable=lambda reason: None)
        return [run for run in mine if self._trains(run)]

    def _trains(self, run: Run) -> bool:
        config = run.config
        same = (config.version, config.options, config.dataset_sha256) == (
            self.version,
            self.options,
            self.dataset_sha256,
        )
        return same and (config.seed, config.images, config.batch) == (self.seed, self.images, self.batch)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``state`` is "done", with the name of its record, or "failed", with the reason."""

    job: Job
    state: str
    record: str = ""
    reason: str = ""
    seconds: float = 0.0
    schema: int = SCHEMA

    def publish(self, folder: Path) -> None:
        """Write the outcome; whoever looks sees all of it or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(_file(folder, self.job), json.dumps(dataclasses.asdict(self), indent=1).encode())


def jobs(plan: Plan, data: ImageDataset) -> Iterator[Job]:
    """Yield a plan's jobs, seed by seed, so that every model has one seed before the first has two.

    Raises UnknownName or OptionsError for a model or options that there are not, before anything is trained.
    """
    asked = {**plan.asked, **_moving(plan, data)}
    seeds = list(dict.fromkeys(seed for entry in plan.models for seed in entry.seeds or plan.seeds))
    made: list[tuple[Any, Job]] = []
    for entry in plan.models:
        offer = registry().find(ModelSpec, entry.name)
        chosen = find_preset(entry.name, data.name)
        built: Any = build(model_class(entry.name).Options, {**chosen.options, **entry.options}, entry.name)
        job = Job(
            model=offer.spec.name,
            dist=offer.plugin.dist,
            version=offer.plugin.version,
            options=to_json(built),
            dataset_sha256=data.sha256,
            seed=0,
            images=entry.images or plan.images or chosen.images,
            batch=entry.batch or chosen.batch,
            asked=asked,
        )
        made.append((entry.seeds or plan.seeds, job))
    for seed in seeds:
        for own, job in made:
            if seed in own:
                yield dataclasses.replace(job, seed=seed)


def _moving(plan: Plan, data: ImageDataset) -> dict[str, Any]:
    """What else moves scores: the versions of the metrics, and the weights and rules of the extractors."""
    measuring = plan.measuring("cpu")
    specs = [offer.spec for offer in registry().offers(MetricSpec) if plan.metrics in (None, ["all"])]
    specs = specs or [registry().find(MetricSpec, name).spec for name in plan.metrics or []]
    seen = []
    if any({"features", "logits"} & set(spec.needs) for spec in specs):
        for name in measuring.extractors or [default_extractor(data)]:
            seen.append(identity(load_extractor(name, choices=measuring.preset.features)))
    return {"versions": {spec.name: spec.version for spec in specs}, "extractors": seen}


def outcome(folder: Path, job: Job) -> Outcome | None:
    """Return how a job ended, or None; one that can't be read is as good as none."""
    try:
        return parse(Outcome, _file(folder, job).read_bytes(), str(_file(folder, job)), SCHEMA)
    except (OSError, DataError):
        return None


def outcomes(folder: Path) -> list[Outcome]:
    """Return all outcomes in a folder, also of jobs that the plan no longer has."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(parse(Outcome, path.read_bytes(), str(path), SCHEMA))
        except DataError:
            continue
    return found


def lock_file(folder: Path, job: Job) -> Path:
    """Return the file whose lock the runner of a job holds while it works."""
    return folder / f".{job.id}.lock"


def _file(folder: Path, job: Job) -> Path:
    return folder / f"{job.id}.json"
