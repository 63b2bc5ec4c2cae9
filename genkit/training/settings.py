"""Settings of a training run that change no weight."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genkit.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """When to save, what to keep and how often to log.

    A checkpoint is saved every ``checkpoint_seconds`` and the last ``keep`` are kept. The whole budget has ``previews``
    sample grids and ``logs`` log lines, or more lines where that would be fewer than one every 1,000 steps. With
    ``metadata`` the grids' files say where they are from. ``track`` names trackers that follow the run, such as
    ("tensorboard",): then the log has gradient norms too. ``profile`` steps are traced, see
    genkit.training.profiling.
    """

    checkpoint_seconds: float = 60.0
    keep: int = 2
    previews: int = 10
    logs: int = 200
    metadata: bool = True
    track: tuple[str, ...] = ()
    profile: int = 0

    def __post_init__(self) -> None:
        if not math.isfinite(self.checkpoint_seconds):
            raise UsageError(f"{self.checkpoint_seconds} seconds between checkpoints never pass: give a finite number")
