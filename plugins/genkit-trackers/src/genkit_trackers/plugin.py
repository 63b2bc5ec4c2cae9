"""The trackers of this package. Their modules, and the libraries that these need, are imported on first use."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import TrackerSpec, hookimpl


@hookimpl
def genkit_trackers() -> Iterator[TrackerSpec]:
    """Yield the three trackers."""
    yield _tracker("tensorboard", "TensorBoard", "tensorboard", "TensorBoard, from event files in the run's folder")
    yield _tracker("wandb", "WandB", "wandb", "Weights & Biases, offline unless WANDB_MODE says otherwise")
    yield _tracker("mlflow", "MLflow", "mlflow", "MLflow, in RUNS/mlruns unless MLFLOW_TRACKING_URI names a server")


def _tracker(name: str, attribute: str, package: str, summary: str) -> TrackerSpec:
    install = f"genkit-trackers[{name}]"
    return TrackerSpec(name, f"genkit_trackers.{name}:{attribute}", package=package, install=install, summary=summary)
