"""A board's file (TOML): models, options, seeds, data set, budget and metrics.

dataset = "digits"
seeds = [0, 1, 2]
images = 400_000
metrics = ["fid", "kid"]

[[models]]
name = "dcgan"

[[models]]
name = "vae"
options = { latent = 16 }
images = 200_000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from genkit.data.source import Pack
from genkit.errors import OptionsError
from genkit.evaluation.config import COUNT, EvalConfig
from genkit.options import build, read_config


@dataclass(frozen=True)
class Entry:
    """A model of a board with one set of options. A value of None is taken from the plan."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    images: Annotated[int, Ge(1)] | None = None
    batch: Annotated[int, Ge(1)] | None = None
    seeds: Annotated[list[Annotated[int, Ge(0)]], MinLen(1)] | None = None


@dataclass(frozen=True)
class Plan:
    """The content of a board's file. ``images`` is the training budget of every model; None for its preset's.

    ``metrics``, ``features``, ``count`` and ``protocol`` are as in EvalConfig; ``parameters`` are those of metrics, by
    metric. ``size`` resizes images of a data set without a fixed size; ``pack`` is that of ``genkit.open_dataset``;
    ``exclude_generated`` and ``allow_generated`` are those of ``genkit.train``. ``milestones`` earlier checkpoints of
    each run are also evaluated, by the first metric.
    """

    dataset: str
    models: Annotated[list[Entry], MinLen(1)]
    seeds: Annotated[list[Annotated[int, Ge(0)]], MinLen(1)] = field(default_factory=lambda: [0])
    images: Annotated[int, Ge(1)] | None = None
    metrics: list[str] | None = None
    features: list[str] | None = None
    count: Annotated[int, Ge(2)] = COUNT
    protocol: str = "genkit"
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: Annotated[int, Ge(1)] | None = None
    milestones: Annotated[int, Ge(0)] = 0
    exclude_generated: bool = False
    allow_generated: bool = False
    pack: Pack = "pixels"

    def eval_config(self, device: str) -> EvalConfig:
        """Return the settings under which each job is evaluated."""
        return EvalConfig(
            metrics=self.metrics,
            features=self.features,
            count=self.count,
            protocol=self.protocol,
            parameters=self.parameters,
            device=device,
        )

    @property
    def asked(self) -> Mapping[str, Sequence[str] | str | int | Mapping[str, Any] | None]:
        """What determines a job's scores besides its training."""
        return {
            "metrics": self.metrics,
            "features": self.features,
            "count": self.count,
            "protocol": self.protocol,
            "parameters": self.parameters,
        }


def read_plan(path: Path) -> Plan:
    """Read a board's file; raises MissingError, or OptionsError, which names the wrong field."""
    values = read_config(path)
    models = values.get("models", [])
    first = next(iter(models), "") if isinstance(models, list | dict) else models
    if isinstance(first, str) and first:
        raise OptionsError(f'{path}: give each model a table of its own, [[models]], with name = "{first}" below it')
    return build(Plan, values, str(path))
