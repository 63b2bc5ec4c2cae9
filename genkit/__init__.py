"""genkit: train, measure and rank generative image models.

Everything the commands do is a function here; heavy modules load on first use.

    run = genkit.train("dcgan", "digits", images=400_000)
    genkit.evaluate(run)
    genkit.leaderboard("runs")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genkit import metrics
    from genkit.conformance import check
    from genkit.data import open_dataset, open_images
    from genkit.evaluation import Evaluator, Measuring, evaluate, evaluate_images
    from genkit.features import load_extractor
    from genkit.model import Batch, DataInfo, GenerativeModel, Phase, Preset, Step
    from genkit.ranking import leaderboard
    from genkit.runs import load
    from genkit.training import resume, train

_HOMES = {
    "Batch": "genkit.model",
    "DataInfo": "genkit.model",
    "Evaluator": "genkit.evaluation",
    "GenerativeModel": "genkit.model",
    "Measuring": "genkit.evaluation",
    "Phase": "genkit.model",
    "Preset": "genkit.model",
    "Step": "genkit.model",
    "check": "genkit.conformance",
    "evaluate": "genkit.evaluation",
    "evaluate_images": "genkit.evaluation",
    "leaderboard": "genkit.ranking",
    "load": "genkit.runs",
    "load_extractor": "genkit.features",
    "open_dataset": "genkit.data",
    "open_images": "genkit.data",
    "resume": "genkit.training",
    "train": "genkit.training",
}

__all__ = [
    "Batch",
    "DataInfo",
    "Evaluator",
    "GenerativeModel",
    "Measuring",
    "Phase",
    "Preset",
    "Step",
    "check",
    "evaluate",
    "evaluate_images",
    "leaderboard",
    "load",
    "load_extractor",
    "metrics",
    "open_dataset",
    "open_images",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "metrics":
        return import_module("genkit.metrics")
    if name == "__version__":
        from importlib.metadata import version

        return version("genkit-toolkit")
    raise AttributeError(f"module 'genkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
