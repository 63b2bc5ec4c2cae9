"""genkit: train, measure and rank generative image models.

Everything the commands do is a function here; heavy modules load on first use.

    run = genkit.train("dcgan", "digits", images=400_000)
    genkit.evaluate(run)
    genkit.leaderboard("runs")
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genkit import metrics
    from genkit.conformance import check
    from genkit.data import open_dataset, open_images
    from genkit.evaluation.compare import compare
    from genkit.evaluation.config import EvalConfig
    from genkit.evaluation.evaluate import evaluate
    from genkit.evaluation.evaluator import Evaluator
    from genkit.evaluation.verify import verify
    from genkit.features import load_extractor
    from genkit.models import Batch, DataInfo, GenerativeModel, Phase, Preset, Step
    from genkit.report.leaderboard import leaderboard
    from genkit.training.api import resume, train
    from genkit.training.runs import load

_HOMES = {
    "Batch": "genkit.models",
    "DataInfo": "genkit.models",
    "Evaluator": "genkit.evaluation.evaluator",
    "GenerativeModel": "genkit.models",
    "EvalConfig": "genkit.evaluation.config",
    "Phase": "genkit.models",
    "Preset": "genkit.models",
    "Step": "genkit.models",
    "check": "genkit.conformance",
    "compare": "genkit.evaluation.compare",
    "evaluate": "genkit.evaluation.evaluate",
    "leaderboard": "genkit.report.leaderboard",
    "load": "genkit.training.runs",
    "load_extractor": "genkit.features",
    "open_dataset": "genkit.data",
    "open_images": "genkit.data",
    "resume": "genkit.training.api",
    "train": "genkit.training.api",
    "verify": "genkit.evaluation.verify",
}

logging.getLogger("genkit").addHandler(logging.NullHandler())  # quiet until the program decides otherwise

__all__ = [
    "Batch",
    "DataInfo",
    "EvalConfig",
    "Evaluator",
    "GenerativeModel",
    "Phase",
    "Preset",
    "Step",
    "check",
    "compare",
    "evaluate",
    "leaderboard",
    "load",
    "load_extractor",
    "metrics",
    "open_dataset",
    "open_images",
    "resume",
    "train",
    "verify",
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
