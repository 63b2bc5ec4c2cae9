"""The file of a board: models, options, seeds, data set, budget and metrics.

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

from genkit.evaluation.config import COUNT, EvalConfig
from genkit.options import build, read_config


@dataclass(frozen=True)
class Entry:
    """A model of a board, under one set of options; what is None is the board's."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    images: Annotated[int, Ge(1)] | None = None
    batch: Annotated[int, Ge(1)] | None = None
    seeds: list[Annotated[int, Ge(0)]] | None = None


@dataclass(frozen=True)
class Plan:
    """What a board holds. ``images`` is the budget of every model, its preset's if None.

    ``metrics``, ``features``, ``count`` and ``protocol`` are EvalConfig's; ``parameters`` are those of metrics, by
    metric. ``size`` is of a data set of images that have none of their own. ``milestones`` checkpoints on the way are
    measured too, by the first metric.
    """

    dataset: str
    models: Annotated[list[Entry], MinLen(1)]
    seeds: list[Annotated[int, Ge(0)]] = field(default_factory=lambda: [0])
    images: Annotated[int, Ge(1)] | None = None
    metrics: list[str] | None = None
    features: list[str] | None = None
    count: Annotated[int, Ge(2)] = COUNT
    protocol: str = "genkit"
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: Annotated[int, Ge(1)] | None = None
    milestones: Annotated[int, Ge(0)] = 0

    def eval_config(self, device: str) -> EvalConfig:
        """Return how each job is measured."""
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
        """What moves a job's scores, besides what it trains."""
        return {
            "metrics": self.metrics,
            "features": self.features,
            "count": self.count,
            "protocol": self.protocol,
            "parameters": self.parameters,
        }


def read_plan(path: Path) -> Plan:
    """Read a board's file; raises MissingError or OptionsError, which names the field."""
    return build(Plan, read_config(path), str(path))
