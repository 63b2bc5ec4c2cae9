"""What every engine keeps: results come back, a task that does not return is lost with a reason, one can be stopped."""

from __future__ import annotations

import functools
import os
import threading
import time

import pytest

from genkit.benchmark.engine import Lost


def word(text):
    """A task that any process can unpickle."""
    return functools.partial(str, text)


def ended(future, seconds=300):
    """Wait until a future is done, and give it back."""
    until = time.monotonic() + seconds
    while not future.done():
        assert time.monotonic() < until, "it does not end"
        threading.Event().wait(0.05)
    return future


def check_engine(engine, *, kills=True):
    """Check an engine by tasks of a moment; ``kills`` if a task may end its process."""
    assert ended(engine.submit("one", word("one"))).result() == "one"
    futures = engine.submit_all([(text, word(text)) for text in ("two", "three")])
    assert [ended(each).result() for each in futures] == ["two", "three"]
    with pytest.raises(Lost) as raised:
        ended(engine.submit("wrong", functools.partial(int, "no number"))).result()
    assert "\n" not in str(raised.value)
    if kills:
        with pytest.raises(Lost):
            ended(engine.submit("dead", functools.partial(os._exit, 3))).result()
        long = engine.submit("long", functools.partial(time.sleep, 3600))
        long.cancel()
        ended(long)
