"""The order in which things came into a store, which a clock that is set back does not turn round."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

_STEP = datetime.timedelta(milliseconds=1)


def next_in_order(earlier: Iterable[str], now: str) -> str:
    """Return ``now``, or a millisecond after the newest of ``earlier`` if that is later: a hybrid logical clock.

    All are times of ISO 8601, which sort as text where they are made here. Those that are none are ignored, as is
    one at the end of all time; without a ``now`` it is the clock's. (Kulkarni et al. 2014, "Logical Physical Clocks")
    """
    times = [time for time in map(_time, earlier) if time is not None]
    following = [time + _STEP for time in times if time < datetime.datetime.max.replace(tzinfo=datetime.UTC) - _STEP]
    present = _time(now) or datetime.datetime.now(datetime.UTC)
    return max([present, *following]).isoformat(timespec="milliseconds")


def _time(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
        return (time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None
