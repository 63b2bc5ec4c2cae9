"""Training events as a line of text, which a notebook shows under its cell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

WIDTH = 32


class Meter:
    """Turns events into ``1,234 img/s  discriminator 1.1  generator 0.8  left 0:41``.

    Of several processes: ``1,234 img/s in all, 617 a process``.
    """

    def __init__(self) -> None:
        self.start: tuple[int, float, float] | None = None
        self.values: dict[str, float] = {}

    def describe(self, event: dict[str, Any]) -> str:
        """Return the line for an event."""
        if self.start is None or event["kind"] == "start":
            self.start = (event["images"], event["seconds"], event["done"])
        self.values = event.get("values", self.values)
        images, seconds, done = (
            event["images"] - self.start[0],
            event["seconds"] - self.start[1],
            event["done"] - self.start[2],
        )
        parts = []
        if seconds > 0 and images:
            parts.append(throughput(images, seconds, event.get("processes", 1)))
        parts += [f"{name} {value:.3g}" for name, value in list(self.values.items())[:4]]
        if done > 0:
            left = int(seconds / done * (1 - event["done"]))
            parts.append(f"left {left // 60}:{left % 60:02d}")
        return "  ".join(parts)


def throughput(images: int, seconds: float, processes: int) -> str:
    """Return images per second as text, in all and a process if there are several."""
    rate = f"{images / seconds:,.0f} img/s"
    return f"{rate} in all, {images / seconds / processes:,.0f} a process" if processes > 1 else rate


def notebook_display() -> Callable[[dict[str, Any]], None] | None:
    """Return a function that shows training events as one bar under the running cell; None outside of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:  # a terminal has no kernel
        return None
    display = sys.modules["IPython.display"].display

    meter = Meter()
    handle: Any = display({"text/plain": "starting"}, raw=True, display_id=True)

    def show(event: dict[str, Any]) -> None:
        filled = round(WIDTH * event["done"])
        text = f"{'█' * filled}{'░' * (WIDTH - filled)} {event['done']:4.0%}  {meter.describe(event)}"
        handle.update({"text/plain": text}, raw=True)

    return show
