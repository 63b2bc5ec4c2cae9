"""The order in which things came into a store, which a clock that is set back does not turn round."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable

_STEP = datetime.timedelta(milliseconds=1)
_AHEAD = datetime.timedelta(days=36525)
_WRITTEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
"""When this was written: a clock that shows an earlier time is wrong."""


def placed(*times: str) -> str:
    """Return the first of some times at which something can have come into a store; without one "", which sorts first.

    What begins with no year, or is a century ahead of the clock, was made by hand: it can't stay the newest for ever.
    """
    return next((time for time in times if time[:4].isdigit() and time < _latest()), "")


@functools.cache
def _latest() -> str:
    return (max(datetime.datetime.now(datetime.UTC), _WRITTEN) + _AHEAD).isoformat(timespec="milliseconds")


def is_time(text: str) -> bool:
    """Whether a text is a time of ISO 8601."""
    return _time(text) is not None


def next_in_order(earlier: Iterable[str], now: str) -> str:
    """Return ``now``, or a millisecond after the newest of ``earlier`` if that is later: a hybrid logical clock.

    All are times of ISO 8601, which sort as text where they are made here. Those that are none, or a century ahead, are
    ignored; without a ``now`` it is the clock's. (Kulkarni et al. 2014, "Logical Physical Clocks")
    """
    following = [time + _STEP for each in earlier if placed(each) and (time := _time(each)) is not None]
    present = _time(now) or datetime.datetime.now(datetime.UTC)
    return max([present, *following]).isoformat(timespec="milliseconds")


def _time(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
        return (time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None
