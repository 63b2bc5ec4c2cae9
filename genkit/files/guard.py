"""The guard around what others wrote, files and code: what fails is named in a sentence, and the rest stands.

Used for records, cards of extractors, extractors, metrics, exhibits and plugins. KeyboardInterrupt and ``Interrupted``
pass where the user caused them.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from genkit.errors import DataError, GenkitError, Interrupted, PluginError

T = TypeVar("T")
R = TypeVar("R")

STOPPING = (
    *(signal.SIGINT, signal.SIGTERM),
    *(getattr(signal, name) for name in ("SIGHUP", "SIGUSR2") if hasattr(signal, name)),
)
"""The signals by which users and schedulers stop the work.

A terminal sends SIGHUP when it is closed, Slurm SIGUSR2 before a job's time is up. Windows has neither.
"""

HEARD: dict[int, float] = {}
"""The signals at which a training of this process stops after its step, and when each came first."""

AT_ONCE = 2.0
"""Seconds within which two Ctrl-C may be one, as a terminal and a launcher of several processes both send it."""


def heard(number: int) -> bool:
    """Whether a signal adds nothing to what a training has heard: others than Ctrl-C, and that one sent twice."""
    again = number != signal.SIGINT or time.monotonic() - HEARD.get(number, -math.inf) < AT_ONCE
    return bool(HEARD) and again


LARGEST = 1e100
"""The largest number that is kept: sums of squares of larger ones are not finite."""


@contextlib.contextmanager
def guarded(failed: Callable[[BaseException], object], passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Give what the block raises to ``failed``, which may raise an error that names the culprit.

    Errors of the types ``passing`` are raised.
    """
    try:
        yield
    except BaseException as error:
        if by_user(error) or (isinstance(error, passing) and not isinstance(error, Interrupted)):
            raise
        failed(error)


def by_user(error: BaseException) -> bool:
    """Whether the user stopped the work, and no code that merely raises KeyboardInterrupt or Interrupted.

    A signal's handler is in the traceback, unless it is Python's own: then every KeyboardInterrupt counts. Interrupted
    counts if genkit raised it.
    """
    frames = [trace.f_code for trace, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, Interrupted):
        return not frames or _is_own(error)
    if not isinstance(error, KeyboardInterrupt):
        return False
    handlers = [signal.getsignal(number) for number in STOPPING]
    if callable(handlers[0]) and not isinstance(handlers[0], types.FunctionType):
        return True
    return any(handler.__code__ in frames for handler in handlers if isinstance(handler, types.FunctionType))


def _is_own(error: BaseException) -> bool:
    """Whether code of genkit raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "genkit"


def ended(error: BaseException) -> bool:
    """Whether an error is a way to end the process, such as sys.exit, and neither the user's nor genkit's own."""
    if (
        not isinstance(error, KeyboardInterrupt | Interrupted | SystemExit | GeneratorExit)
        or error.__traceback__ is None
    ):
        return False
    return not by_user(error) and not (isinstance(error, SystemExit) and _is_own(error))


def sentence(error: BaseException) -> str:
    """Return an error in one line: the message of one of genkit's, else its type too. An error may fail to print.

    Of Interrupted too: what others raise as that says nothing by its message.
    """
    try:
        text = str(error)
    except BaseException as failure:
        if by_user(failure):
            raise
        text = "its message can't be printed"
    words = " ".join(text.split())[:1000]
    own = isinstance(error, GenkitError) and not isinstance(error, Interrupted)
    return words if own and words else f"{type(error).__name__}: {words}".removesuffix(": ")


def blamed(what: str, make: Callable[[], R]) -> R:
    """Return ``make()``, a plugin's code; raises PluginError, which says ``what`` failed, why and in which line.

    A GenkitError passes.
    """
    try:
        return make()
    except GenkitError:
        raise
    except BaseException as error:
        if by_user(error):
            raise
        raise PluginError(f"{what}: {sentence(error)}, at {place(error)}: mend it there") from error


def place(error: BaseException) -> str:
    """Return the file and line that raised an error, or called what the fence around plugins refuses."""
    first, *rest = traceback.extract_tb(error.__traceback__)
    *_, found = [first, *(frame for frame in rest if Path(frame.filename).parts[-2:] != ("registry", "fence.py"))]
    return f"{found.filename}:{found.lineno}"


def spared(work: Callable[[list[T]], R], items: Sequence[T], left_out: Callable[[T, str], None]) -> R:
    """Return ``work(items)`` without the items on which it fails: each is given to ``left_out`` with the reason.

    They are found by halving, once the work has failed: for one item that takes as long as four times the work. A
    GenkitError is an answer, and is raised. So is the first error if no item works, as the fault is then in ``work``.
    """
    answers: list[R] = []
    first = _fault(work, items, answers)
    if first is None:
        return answers[0]
    kept, faults = _halved(work, [], items, first)
    if not kept:
        raise first
    for item, reason in faults:
        left_out(item, reason)
    if (fault := _fault(work, kept, answers)) is not None:  # each works alone, and not with all others: most stay
        one, other = _halved(work, kept[:1], kept[1:], fault), _halved(work, kept[-1:], kept[:-1], fault)
        kept, more = (
            ([*kept[:1], *one[0]], one[1]) if len(one[0]) >= len(other[0]) else ([*other[0], kept[-1]], other[1])
        )
        for item, reason in more:
            left_out(item, reason)
        answers = [work(kept)]
    return answers[0]


def _halved(
    work: Callable[[list[T]], R], beside: Sequence[T], some: Sequence[T], fault: BaseException
) -> tuple[list[T], list[tuple[T, str]]]:
    """Return those of ``some`` with which the work is done, beside others if given, and the rest with the reasons.

    ``fault`` is how it fails with all of them.
    """
    if len(some) <= 1:
        return [], [(each, sentence(fault)) for each in some]
    kept, faults = list[T](), list[tuple[T, str]]()
    for half in (some[: len(some) // 2], some[len(some) // 2 :]):
        around = [*beside, *kept] if beside else []
        wrong = _part_fault(work, [*around, *half])
        found, more = (list(half), []) if wrong is None else _halved(work, around, half, wrong)
        kept += found
        faults += more
    return kept, faults


def _part_fault(work: Callable[[list[T]], R], some: Sequence[T]) -> BaseException | None:
    try:
        return _fault(work, some, [])
    except GenkitError:  # such as that these records, a part of all, have no score of that name
        return None


def _fault(work: Callable[[list[T]], R], some: Sequence[T], answers: list[R]) -> BaseException | None:
    """Return how the work fails, if it does, else add what it returns to ``answers``; GenkitErrors are raised."""
    try:
        answers.append(work(list(some)))
    except GenkitError:
        raise
    except BaseException as error:
        if by_user(error):
            raise
        return error
    return None


def plain(value: Any) -> Any:
    """Return a number of NumPy or torch, also an array or tensor of no dimensions, as Python's; others as they are."""
    if type(value) in (float, int, bool, str) or value is None:
        return value
    return value.item() if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)) else value


def number(value: Any, what: str) -> float:
    """Return a finite number as a float; raises DataError, which calls it ``what``, for anything else."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, float | int):
        raise DataError(f"its {what} is {type(value).__name__}, not a number")
    if not -LARGEST <= found <= LARGEST:
        raise DataError(f"its {what} is {'beyond 1e100' if abs(found) < math.inf else 'not finite'}")
    return float(found)
