"""How processes that were launched together find each other, and leave each other word."""

from __future__ import annotations

import contextlib
import datetime
import functools
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal

import torch.distributed as dist

from genkit.errors import GenkitError, Interrupted

MEETING = datetime.timedelta(minutes=30)
"""How long they wait for each other's first sign."""

_c10d: Any = dist
"""The same with names that it does not declare."""

_stores: list[Any] = []
"""Where this process leaves word for the others while they are joined: texts by key; the last is what they share."""
_WORD = "word"


def meet(rank: int, world: int) -> Any:
    """Find the others, and return a part of their store that only these processes know, until ``leave``.

    Raises GenkitError if they don't come, and Interrupted if the user has stopped one of them.

    torchrun keeps one store for all restarts, in which addresses and words of processes that have ended stand, and
    each machine counts its restarts for itself. So process 0 names the part, and tells each process its name under a
    token that is that process's own.
    """
    store = _c10d.PrefixStore("genkit", _meeting_point())
    own, places = uuid.uuid4().hex, [f"here/{other}" for other in range(world)]
    _stores.append(_c10d.PrefixStore(own, store))
    if rank:
        for _ in _while_meeting():
            store.set(places[rank], own)  # again, as process 0 may have begun after it
            if store.check([f"name/{own}"]):
                break
        _stores.append(_c10d.PrefixStore(store.get(f"name/{own}").decode(), store))
        _stores[-1].set(places[rank], "")
        return _stores[-1]
    for place in places:
        store.delete_key(place)
    missing = set(places[1:])
    for _ in _while_meeting():
        missing -= {place for place in missing if _stores[-1].check([place])}
        if not missing:
            break
        for place in missing:
            if store.check([place]):
                token = store.get(place).decode()
                store.set(f"name/{token}", own)
                if _c10d.PrefixStore(token, store).check([_WORD]):
                    raise Interrupted("stopped, as another process of this training was")
    return _stores[-1]


def _while_meeting() -> Iterator[None]:
    """Count the tries to meet; raises GenkitError when the time for them is over."""
    until = time.monotonic() + MEETING.total_seconds()
    while time.monotonic() < until:
        yield
        time.sleep(0.05)
    raise GenkitError(f"not all of the processes came within {MEETING.total_seconds() / 60:g} minutes")


@functools.cache
def _meeting_point() -> Any:
    """Where processes find each other; process 0 may hold it, so it stays while the process lives."""
    return next(_c10d.rendezvous("env://", timeout=MEETING))[0]


def leave() -> None:
    """Leave the others: words are no longer left or read."""
    _stores.clear()


def leave_word(kind: Literal["stopped", "failed"], reason: str = "") -> None:
    """Leave the other processes word that the user has stopped this one, or why it fails."""
    with contextlib.suppress(RuntimeError):
        for store in _stores:
            store.set(_WORD, f"{kind} {reason}")


def word_left() -> tuple[str, str]:
    """Return what a process that has ended has left of itself, as ``leave_word``; two empty texts if none has."""
    with contextlib.suppress(RuntimeError):
        for store in _stores:
            if store.check([_WORD]):
                kind, _, reason = store.get(_WORD).decode().partition(" ")
                return kind, reason
    return "", ""
