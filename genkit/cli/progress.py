"""Progress on stderr: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from genkit.cli.output import echo
from genkit.errors import one_line

if TYPE_CHECKING:
    from genkit.training.progress import Meter


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that takes training events and shows images/s, losses and the time left."""
    from genkit.training.progress import Meter

    if not sys.stderr.isatty():
        yield _plain_training(Meter())
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=32), TextColumn("{task.percentage:>3.0f} %  {task.description}", markup=False))
    with Progress(*columns, console=_console(), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        meter = Meter()

        def show(event: dict[str, Any]) -> None:
            if event["kind"] == "profile":
                bar.console.print(*_profile_lines(event), sep="\n", markup=False, highlight=False, soft_wrap=True)
            bar.update(task, completed=event["done"], description=one_line(meter.describe(event)))

        yield show


def _plain_training(meter: Meter, every: float = 15.0) -> Callable[[dict[str, Any]], None]:
    last = time.monotonic()

    def show(event: dict[str, Any]) -> None:
        nonlocal last
        text = meter.describe(event)
        if event["kind"] == "profile":
            for line in _profile_lines(event):
                echo(line, err=True)
        if event["kind"] == "progress" and time.monotonic() - last > every:
            last = time.monotonic()
            echo(f"  {event['done']:4.0%}  {text}", err=True)

    return show


def _profile_lines(event: dict[str, Any]) -> list[str]:
    """Return the dearest operations of a trace, and where the trace is."""
    return [*map(one_line, event["lines"]), one_line(f"trace: {event['path']}")]


def _console() -> Any:
    """Return the terminal of the bars: stderr without its guard, as bars move the cursor."""
    from rich.console import Console

    return Console(file=getattr(sys.stderr, "bare", sys.stderr))


@contextlib.contextmanager
def work_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function (task, done, total) for evaluation, packing and so on; silent if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console(), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            what = one_line(what)
            if what not in tasks or (tasks[what][1] >= total > done):
                if what in tasks:
                    bar.remove_task(tasks[what][0])
                tasks[what] = (bar.add_task(what, total=total), 0)
            task, _ = tasks[what]
            tasks[what] = (task, done)
            bar.update(task, completed=done, visible=done < total)

        yield show
