"""A process that trains a toy model with all trackers, or resumes it, and kills itself at a log line, or measures it.

``python killed.py ROOT KIND LINES``: KIND is "begin", "resume" or "measure", LINES the log line at which process 0 dies, 0
for never.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
import toys

import genkit
from genkit.registry.discovery import registry
from genkit.training import distributed
from genkit.training.runs import find_runs
from genkit.training.settings import Settings

SETTINGS = Settings(checkpoint_seconds=0.05, track=("tensorboard", "wandb", "mlflow"))


def killer(lines: int):
    """An observer that kills its own process at a log line."""
    seen = 0

    def watch(event):
        nonlocal seen
        seen += event["kind"] == "log"
        if lines and seen == lines and distributed.rank() == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


def main() -> None:
    """Train, resume or measure."""
    root, kind, lines = sys.argv[1:]
    torch.set_num_threads(1)
    registry().plugins.append(toys.plugin())
    watch = killer(int(lines))
    if kind == "begin":
        images = 1024 * int(os.environ.get("WORLD_SIZE", "1"))  # as many steps as in one process
        genkit.train("toy-gan", "digits", root=root, device="cpu", images=images, settings=SETTINGS, on_event=watch)
        return
    (run,) = find_runs(Path(root))
    if kind == "resume":
        genkit.resume(run, settings=Settings(checkpoint_seconds=0.05), on_event=watch)
    else:
        genkit.evaluate(run, metrics="fid", features=["random-conv"], count=64, device="cpu")


if __name__ == "__main__":
    main()
