"""Progress on stderr: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that takes training events and shows images/s, losses and the time left."""
    if not sys.stderr.isatty():
        yield _plain_training()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=32), TextColumn("{task.percentage:>3.0f} %  {task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        meter = _Meter()

        def show(event: dict[str, Any]) -> None:
            bar.update(task, completed=event["done"], description=meter.describe(event))

        yield show


class _Meter:
    """Turns events into ``1,234 img/s  discriminator 1.1  generator 0.8  left 0:41``."""

    def __init__(self) -> None:
        self.start: tuple[int, float, float] | None = None
        self.values: dict[str, float] = {}

    def describe(self, event: dict[str, Any]) -> str:
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
            parts.append(f"{images / seconds:,.0f} img/s")
        parts += [f"{name} {value:.3g}" for name, value in list(self.values.items())[:4]]
        if done > 0:
            left = int(seconds / done * (1 - event["done"]))
            parts.append(f"left {left // 60}:{left % 60:02d}")
        return "  ".join(parts)


def _plain_training(every: float = 15.0) -> Callable[[dict[str, Any]], None]:
    meter = _Meter()
    last = time.monotonic()

    def show(event: dict[str, Any]) -> None:
        nonlocal last
        text = meter.describe(event)
        if event["kind"] == "progress" and time.monotonic() - last > every:
            last = time.monotonic()
            click.echo(f"  {event['done']:4.0%}  {text}", err=True)

    return show


@contextlib.contextmanager
def work_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function (task, done, total) for evaluation, packing and so on; silent if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(bar_width=32), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks or (tasks[what][1] >= total > done):
                if what in tasks:
                    bar.remove_task(tasks[what][0])
                tasks[what] = (bar.add_task(what, total=total), 0)
            task, _ = tasks[what]
            tasks[what] = (task, done)
            bar.update(task, completed=done, visible=done < total)

        yield show
