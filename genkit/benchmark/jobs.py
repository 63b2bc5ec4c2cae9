"""The jobs of a plan, and the runs that train them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genkit.benchmark.plan import Plan
from genkit.data import ImageDataset
from genkit.errors import OptionsError
from genkit.features import default_extractor, load_extractor
from genkit.features.cache import identity
from genkit.models.drawing import split_options
from genkit.options import build, current_names, override, to_json
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec, ModelSpec
from genkit.results.jobs import Job
from genkit.training.api import draws_as_its_preset, find_preset
from genkit.training.config import RunConfig
from genkit.training.runs import Run, find_runs, model_class


def jobs(plan: Plan, data: ImageDataset) -> Iterator[Job]:
    """Yield the jobs of a plan, seed by seed: every model has one seed before any has two.

    Raises UnknownName or OptionsError for a model or option that does not exist, before anything is trained.
    """
    asked = {**plan.asked, **_metrics_and_extractors(plan, data)}
    seeds = list(dict.fromkeys(seed for entry in plan.models for seed in entry.seeds or plan.seeds))
    made: list[tuple[Any, Job]] = []
    for entry in plan.models:
        offer = registry().find(ModelSpec, entry.name)
        chosen = find_preset(entry.name, data.name)
        cls = model_class(entry.name)
        _, drawing = split_options(cls, entry.options)
        if drawing:
            raise OptionsError(
                f"{entry.name} draws as its preset says on a board: leave {', '.join(drawing)} out of its options, and "
                "measure other values with genkit eval --sweep"
            )
        built: Any = build(cls.Options, override(chosen.options, entry.options), entry.name)
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
    named: set[str] = set()
    for seed in seeds:
        for own, job in made:
            if seed not in own:
                continue
            seeded = dataclasses.replace(job, seed=seed)
            if seeded.id in named:
                raise OptionsError(
                    f"the board lists {job.model} twice with equal options and seed {seed}: list it once"
                )
            named.add(seeded.id)
            yield seeded


def _metrics_and_extractors(plan: Plan, data: ImageDataset) -> dict[str, Any]:
    """What else changes scores: the versions of the metrics, and the weights and choices of the extractors."""
    config = plan.eval_config("cpu")
    specs = [offer.spec for offer in registry().offers(MetricSpec) if plan.metrics in (None, ["all"])]
    specs = specs or [registry().find(MetricSpec, name).spec for name in plan.metrics or []]
    extractors = []
    if any({"features", "logits"} & set(spec.needs) for spec in specs):
        for name in config.extractors or [default_extractor(data)]:
            extractors.append(identity(load_extractor(name, choices=config.protocol_preset.features)))
    return {"versions": {spec.name: spec.version for spec in specs}, "extractors": extractors}


def runs_of(job: Job, root: Path) -> list[Run]:
    """Return the runs below ``root`` that train exactly what a job does, oldest first."""
    mine = find_runs(root, model=job.model, dist=job.dist, unreadable=lambda reason: None)
    return [run for run in mine if _trains(run.config, job)]


def _trains(config: RunConfig, job: Job) -> bool:
    options = current_names(config.options)
    made = config.version, options, config.dataset_sha256, config.seed, config.images, config.batch
    wanted = job.version, current_names(job.options), job.dataset_sha256, job.seed, job.images, job.batch
    return made == wanted and config.tuning is None and draws_as_its_preset(config)
