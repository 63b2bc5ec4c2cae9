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
    from genkit.benchmark.api import bench
    from genkit.conformance import check
    from genkit.data import describe_dataset, open_dataset, open_images
    from genkit.evaluation.calibration import calibrate
    from genkit.evaluation.compare import compare
    from genkit.evaluation.config import EvalConfig
    from genkit.evaluation.evaluate import evaluate
    from genkit.evaluation.evaluator import Evaluator
    from genkit.evaluation.explain import explain
    from genkit.evaluation.sweep import sweep
    from genkit.evaluation.verify import verify
    from genkit.features import load_extractor
    from genkit.latent.api import interpolate, reconstruct, sample, sample_to_folder, traverse
    from genkit.latent.edits import edit
    from genkit.latent.whence import whence
    from genkit.models import Batch, DataInfo, GenerativeModel, Phase, Preset, Step
    from genkit.ranking.recommend import recommend
    from genkit.report.leaderboard import leaderboard
    from genkit.training.api import resume, train
    from genkit.training.runs import load
    from genkit.training.tune import tune

_HOMES = {
    "Batch": "genkit.models",
    "DataInfo": "genkit.models",
    "EvalConfig": "genkit.evaluation.config",
    "Evaluator": "genkit.evaluation.evaluator",
    "GenerativeModel": "genkit.models",
    "Phase": "genkit.models",
    "Preset": "genkit.models",
    "Step": "genkit.models",
    "bench": "genkit.benchmark.api",
    "calibrate": "genkit.evaluation.calibration",
    "check": "genkit.conformance",
    "compare": "genkit.evaluation.compare",
    "describe_dataset": "genkit.data",
    "edit": "genkit.latent.edits",
    "evaluate": "genkit.evaluation.evaluate",
    "explain": "genkit.evaluation.explain",
    "interpolate": "genkit.latent.api",
    "leaderboard": "genkit.report.leaderboard",
    "load": "genkit.training.runs",
    "load_extractor": "genkit.features",
    "open_dataset": "genkit.data",
    "open_images": "genkit.data",
    "recommend": "genkit.ranking.recommend",
    "reconstruct": "genkit.latent.api",
    "resume": "genkit.training.api",
    "sample": "genkit.latent.api",
    "sample_to_folder": "genkit.latent.api",
    "sweep": "genkit.evaluation.sweep",
    "train": "genkit.training.api",
    "traverse": "genkit.latent.api",
    "tune": "genkit.training.tune",
    "verify": "genkit.evaluation.verify",
    "whence": "genkit.latent.whence",
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
    "bench",
    "calibrate",
    "check",
    "compare",
    "describe_dataset",
    "edit",
    "evaluate",
    "explain",
    "interpolate",
    "leaderboard",
    "load",
    "load_extractor",
    "metrics",
    "open_dataset",
    "open_images",
    "recommend",
    "reconstruct",
    "resume",
    "sample",
    "sample_to_folder",
    "sweep",
    "train",
    "traverse",
    "tune",
    "verify",
    "whence",
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
