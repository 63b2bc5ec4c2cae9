"""Where the time of training steps goes: a trace of a few steps, and the operations that took the most of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from genkit.files.temporaries import temporary_folder
from genkit.files.text import logger
from genkit.files.writing import write_atomic
from genkit.report.text import table

_LOG = logger(__name__)

WARM = 3
"""Steps before those that are traced: the first ones reserve memory and choose kernels."""

DEAREST = 10
"""Operations that are named."""


class Profiler:
    """Traces ``steps`` training steps, after the first few of a session, into a folder.

    ``step-000000003.pt.trace.json.gz`` is for Perfetto, chrome://tracing or TensorBoard, the text beside it names the
    dearest operations. ``tell`` is called with the trace's path and these lines.
    """

    def __init__(self, folder: Path, steps: int, device: torch.device, tell: Callable[[Path, list[str]], None]) -> None:
        self.folder, self.steps, self.device, self.tell = folder, steps, device, tell
        self._left = WARM
        self._first = 0
        self._running: profile | None = None

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Within the context steps are counted; what was traced at its end, if any step was, is written as it is."""
        try:
            yield
        finally:
            if self._running is not None and self._left < self.steps:
                self._stop()
            elif self.steps:
                if self._running is not None:
                    self._running.stop()
                _LOG.warning("training ended before step %d of this session: nothing was profiled", WARM + 1)

    def after_step(self, index: int) -> None:
        """Count a step; begin and end the trace where that is due."""
        if not self.steps:
            return
        self._left -= 1
        if self._left:
            return
        if self._running is not None:
            self._stop()
            return
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.device.type == "cuda" else [])]
        self._running, self._first, self._left = profile(activities=activities), index, self.steps
        self._running.start()

    def _stop(self) -> None:
        traced, self._running, self.steps = self._running, None, 0
        assert traced is not None
        traced.stop()
        lines = dearest(traced.key_averages(), self.device)
        path = self.folder / f"step-{self._first:09d}.pt.trace.json.gz"
        try:
            self.folder.mkdir(exist_ok=True)
            with temporary_folder(path) as folder:
                traced.export_chrome_trace(str(folder / path.name))
                os.replace(folder / path.name, path)
            write_atomic(path.with_name(f"step-{self._first:09d}.txt"), "\n".join([*lines, ""]).encode())
        except OSError as error:
            _LOG.warning("the trace %s can't be written: %s", path, error.strerror or error)
            return
        self.tell(path, lines)


def dearest(averages: Any, device: torch.device) -> list[str]:
    """Return a table of the operations with the most time of their own, on the GPU if there is one, as lines."""
    name = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = sorted(((float(getattr(each, name)), each.count, each.key) for each in averages), reverse=True)
    whole = sum(time for time, _, _ in times) or 1.0
    rows = [["own ms", "share", "calls", f"on the {'GPU' if device.type == 'cuda' else 'CPU'}"]]
    rows += [[f"{time / 1e3:.1f}", f"{time / whole:.1%}", f"{count:,}", key] for time, count, key in times[:DEAREST]]
    return table(rows, right=(0, 1, 2)).splitlines()
