"""MLflow: the local folder ``RUNS/mlruns``, or the server that ``MLFLOW_TRACKING_URI`` names."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException

from genkit.files.locks import waiting
from genkit_trackers.follow import PICTURES, PROJECT, Ending, Follower, hyperparameters, names, title, unique

TAG = "genkit.run"
"""The tag by which the run is found again."""

GROUPS = ("scores/", "scores_raw/")

_LONGEST = 200
"""Letters of a name; MLflow takes 250."""

_STATES: dict[Ending, str] = {"end": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MLflow(Follower):
    """Keeps one MLflow run, found by its tag, in the experiment ``genkit``."""

    rewinds = False

    def begin(self, resumed: int | None) -> Mapping[str, int]:
        """Make or find the run, and read what it holds."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or self._local()
        self._client = MlflowClient(tracking_uri=uri)
        with self._alone():
            found = self._found()
        self._id, self._points = found.info.run_id, dict[str, set[tuple[int, float]]]()
        if resumed is not None:
            self._client.update_run(self._id, status="RUNNING")
        new = {name: str(value) for name, value in hyperparameters(self.run.config).items()}
        params = [Param(name, value[:6000]) for name, value in new.items() if name not in found.data.params]
        if params:
            self._client.log_batch(self._id, params=params)
        held = {name: self._newest(allowed(name)) for name in names(self.run) if allowed(name) in found.data.metrics}
        pictures = [Path(each.path).stem for each in self._client.list_artifacts(self._id, PICTURES)]
        return held | {PICTURES: max((int(each) for each in pictures if each.isdecimal()), default=-1)}

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Log metrics with images as the step."""
        now = int(1000 * time.time())
        self._client.log_batch(
            self._id, metrics=[Metric(allowed(name), value, now, images) for name, value in values.items()]
        )

    def picture(self, images: int, path: Path) -> None:
        """Log the grid as the artifact ``samples/IMAGES.png``."""
        if path.stem.isdecimal():
            self._client.log_artifact(self._id, str(path), PICTURES)
            return
        named = self.folder / f"{images:09d}.png"
        named.write_bytes(path.read_bytes())
        self._client.log_artifact(self._id, str(named), PICTURES)
        named.unlink()

    def has_score(self, images: int, name: str, value: float) -> bool:
        """Ask for the metric's history, once."""
        if name not in self._points:
            history = self._client.get_metric_history(self._id, allowed(name))
            self._points[name] = {(each.step, each.value) for each in history}
        return (images, value) in self._points[name]

    def flush(self) -> None:
        """Do nothing: each call waits until its data is stored."""

    def finish(self, ending: Ending | None) -> None:
        """Set how the training ended."""
        if ending is not None:
            self._client.set_terminated(self._id, _STATES[ending])

    def _local(self) -> str:
        """Return the folder beside the runs; MLflow 3 keeps a folder only for those who ask for it."""
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        return (self.run.store / "mlruns").as_uri()

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Return the lock under which a run is found or made: in a folder, two processes could each make one."""
        if os.environ.get("MLFLOW_TRACKING_URI"):
            return contextlib.nullcontext()
        return waiting(self.run.store / ".mlruns.lock", "looks for its run in MLflow")

    def _found(self) -> Run:
        experiment = self._client.get_experiment_by_name(PROJECT)
        if experiment is None:
            try:
                self._client.create_experiment(PROJECT)
            except MlflowException:  # another process may just have made it
                if self._client.get_experiment_by_name(PROJECT) is None:
                    raise
            experiment = self._client.get_experiment_by_name(PROJECT)
        name = unique(self.run)
        found = self._client.search_runs([experiment.experiment_id], f"tags.`{TAG}` = '{name}'", max_results=1)
        if found:
            return found[0]
        return self._client.create_run(experiment.experiment_id, tags={TAG: name}, run_name=title(self.run))

    def _newest(self, name: str) -> int:
        return max((each.step for each in self._client.get_metric_history(self._id, name)), default=-1)


def allowed(name: str) -> str:
    """Return a name that MLflow takes for a metric: ``scores/fid[digits-cnn]`` is ``scores/fid digits-cnn``.

    A local folder has a file of each name, so only the groups of scores are folders: a loss ``a`` and a part ``a/b`` of
    it can't be a file and a folder, and ``a/b`` is ``a.b``.
    """
    group = next((each for each in GROUPS if name.startswith(each)), "")
    plain = re.sub(r"[^\w.-]+", " ", name.removeprefix(group).replace("/", "."))
    return group + (plain.strip(" .")[:_LONGEST] or "unnamed")
