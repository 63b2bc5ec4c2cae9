"""Weights & Biases: offline in ``RUN/trackers/wandb``, unless ``WANDB_MODE`` is "online"."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import wandb

from genkit_trackers.follow import PICTURES, PROJECT, Ending, Follower, hyperparameters, names, title, unique

X = "images"


class WandB(Follower):
    """Keeps one run, ``id`` of genkit's. Online it goes on with what the server has.

    Offline W&B can't go on with a run: each process writes a new folder, which replaces what was uploaded of the run
    before, and that of a killed process may be empty. So each gets the whole history, and the newest
    (``wandb/latest-run``) is the run.
    """

    def begin(self, resumed: int | None) -> Mapping[str, int]:
        """Begin or resume the run."""
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=unique(self.run),
            name=title(self.run),
            group=self.run.config.dataset_slug,
            resume="allow",
            reinit="create_new",
            mode=os.environ.get("WANDB_MODE") or "offline",
            dir=str(self.folder),
            config=hyperparameters(self.run.config),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, disable_code=True),
        )
        self._run.define_metric(X, summary="max")
        self._run.define_metric("*", step_metric=X)
        self.rewinds = self._run.offline
        self._points = self._journal()
        if self._run.offline:
            for images, name, value in self._points:
                self.values(images, {name: value})
            return {}
        newest = self._run.summary.get(X)
        if newest is None:  # the server does not have what it once had
            self._points = {}
        return {} if newest is None else dict.fromkeys(names(self.run), int(newest))

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Log one row."""
        self._run.log({X: images, **values})

    def scores(self, images: int, scores: Mapping[str, float]) -> None:
        """Log one row, and note it for the folders of later processes."""
        with (self.folder / "scores.jsonl").open("a") as file:
            file.write(json.dumps([images, dict(scores), self._run.offline]) + "\n")
        self.values(images, scores)

    def picture(self, images: int, path: Path) -> None:
        """Log the grid."""
        self._run.log({X: images, PICTURES: wandb.Image(str(path))})

    def has_score(self, images: int, name: str, value: float) -> bool:
        """Look in the journal: W&B tells the newest value alone."""
        return (images, name, value) in self._points

    def flush(self) -> None:
        """Do nothing: W&B writes in blocks of 32 KB and when it is finished, and has no way to ask for more."""

    def finish(self, ending: Ending | None) -> None:
        """Close the run; one that failed is marked."""
        self._run.finish(exit_code=1 if ending == "failed" else 0)

    def _journal(self) -> dict[tuple[int, str, float], None]:
        """Return the scores that earlier processes logged, in order and each once; online those that went there."""
        path, found = self.folder / "scores.jsonl", dict[tuple[int, str, float], None]()
        for line in path.read_text().splitlines() if path.is_file() else ():
            images, scores, *offline = json.loads(line)
            if self._run.offline or offline == [False]:
                found |= {(images, name, value): None for name, value in scores.items()}
        return found
