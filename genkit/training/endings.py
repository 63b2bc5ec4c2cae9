"""How a run ends other than by its budget: its status and its observers are told, and the error says what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from genkit.errors import Interrupted, PluginError, TrainingError
from genkit.files.guard import by_user, place
from genkit.models.base import GenerativeModel
from genkit.training import distributed
from genkit.training.config import RunConfig
from genkit.training.distributed import PeerLost
from genkit.training.meeting import leave_word, word_left
from genkit.training.monitor import Monitor
from genkit.training.runs import Run, make_model
from genkit.training.trouble import smaller_rate

_NO_ROOM = re.compile(
    "can't allocate memory|not enough memory|out of memory|Storage size calculation overflowed|Overflow when unpacking"
)
"""Torch's messages for a tensor that is too large for this machine, or for any."""

_ONE_VALUE = "Expected more than 1 value per channel when training"
"""Torch's message for a batch normalisation of a single value."""


LOST = "another of its processes was killed, or ended without saying so"
"""The reason of a run that was interrupted so that another process could leave no word."""


class Ending:
    """Where a run stands when it ends; ``monitor`` is that of its loop, once there is one."""

    def __init__(self, run: Run, tell: Callable[[dict[str, Any]], None]) -> None:
        self.run, self.tell = run, tell
        self.monitor: Monitor | None = None

    def record_loss(self) -> None:
        """Record that another process has ended: as a failure if that has left word of one, else as an interruption."""
        left, reason = word_left()
        self.record("failed" if left == "failed" else "interrupted", reason if left else LOST)

    def record(self, kind: str, reason: str = "") -> None:
        """Write "interrupted" or "failed" into status.json, unless the run is finished, and tell the observers.

        Of several processes the first does so; others leave it word of a failure.
        """
        if distributed.rank():
            if kind == "failed":
                leave_word("failed", reason)
            return
        with contextlib.suppress(OSError):  # the disk may be what failed
            status = self.run.status
            if status.state != "finished":
                self.run.write_status(dataclasses.replace(status, state=kind, reason=reason))
        if self.monitor is not None:
            self.monitor.event(kind, reason=reason)
        else:
            place = {"images": 0, "done": 0.0, "seconds": 0.0, "stage": 0, "step": 0}
            what = {
                "rank": 0,
                "processes": distributed.world(),
                "resumed": False,
                "config": dataclasses.asdict(self.run.config),
            }
            self.tell({"kind": kind, "run": str(self.run.path), **place, **what, "reason": reason})


@contextlib.contextmanager
def recorded(run: Run, device: torch.device, tell: Callable[[dict[str, Any]], None]) -> Iterator[Ending]:
    """Record every failure and interruption of a run, and raise expected failures as one sentence."""
    ending = Ending(run, tell)
    try:
        yield ending
    except (KeyboardInterrupt, Interrupted) as error:
        if not by_user(error):
            raise _ended(ending, error) from error
        if isinstance(error, KeyboardInterrupt):  # before the loop listens for it, or a second time
            ending.record("interrupted")
        raise
    except PeerLost as error:
        if not distributed.rank():
            ending.record_loss()
        raise PeerLost(f"{error}; {_kept(run)}") from error
    except TrainingError as error:
        ending.record("failed", str(error))
        raise TrainingError("; ".join([str(error), _kept(run), *_remedy(str(error), run.config)])) from error
    except OSError as error:
        reason = f"{error.filename or run.path} can't be written: {error.strerror or error}"
        ending.record("failed", reason)
        raise TrainingError(f"{reason}; {_kept(run)}") from error
    except Exception as error:
        failed = too_large_or_small(error, run.config, device)
        ending.record("failed", str(failed or error) or type(error).__name__)
        if failed is None:
            raise
        raise failed from error
    except BaseException as error:  # sys.exit, or an exception of a plugin that nobody catches
        raise _ended(ending, error) from error


def _ended(ending: Ending, error: BaseException) -> TrainingError:
    """Record what a model's code ended the training by, and return what to say of it."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    ending.record("failed", reason)
    run = ending.run
    return TrainingError(f"{run.config.model} ended the training by {reason}; {_kept(run)}; look at {place(error)}")


def too_large_or_small(error: Exception, config: RunConfig, device: torch.device) -> TrainingError | None:
    """Return what to say of a model or batch that is too large for the memory, or a batch too small for the model."""
    text = str(error)
    if isinstance(error, MemoryError) or _NO_ROOM.search(text):
        return TrainingError(
            f"{config.model} with a batch of {config.batch:,} does not fit into the memory of {device}: "
            "make the batch, the images or the model's options smaller"
        )
    if text.startswith(_ONE_VALUE):
        height, width = config.data.shape[1:]
        return TrainingError(
            f"{config.model} can't normalise a batch of {config.batch} at {height}x{width}, where a channel is left "
            "with a single value: give --batch 2 or more"
        )
    return None


def built_model(config: RunConfig, device: torch.device) -> GenerativeModel:
    """Build a new run's model; raises TrainingError if it is too large for the memory, or the batch too small."""
    try:
        return make_model(f"{config.dist}:{config.model}", config.options, config.data).to(device)
    except (MemoryError, RuntimeError, TypeError, PluginError) as error:
        failed = too_large_or_small(error, config, device)
        if failed is None:
            raise
        raise failed from error


def _kept(run: Run) -> str:
    kept = run.checkpoints()
    return f"the last checkpoint, {kept[-1]}, is whole" if kept else "there is no checkpoint yet"


def _remedy(reason: str, config: RunConfig) -> list[str]:
    """What to try after numbers that are not finite: a smaller learning rate, as resuming repeats them exactly."""
    diverged = any(word in reason for word in (" nan", " inf", "-inf", "finite", "exploded"))
    return smaller_rate(config) if diverged else []
