"""How much memory some work takes at most, measured in a fork of this process."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

from genkit.errors import GenkitError


def peak(work: Callable[[], object]) -> tuple[str, int]:
    """Return the error of genkit that some work ends with, or an empty text, and the bytes of memory that it added."""
    there = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            work()
        except GenkitError as error:
            said = str(error)
        except BaseException as error:
            said = f"crashed: {error!r}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    _, _, usage = os.wait4(child, 0)
    with os.fdopen(reading, "rb") as told:
        return told.read().decode(), max(0, usage.ru_maxrss * 1024 - there)
