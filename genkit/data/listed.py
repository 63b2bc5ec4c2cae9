"""Keys of sources that list a million files: made and hashed item by item."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_STEP = 1000


@dataclass(frozen=True)
class Listed:
    """A list within a key that is made whenever it is asked for, as it takes more memory than may be held."""

    items: Callable[[], Iterable[Any]]


def key_sha256(key: Any) -> str:
    """Return the SHA-256 of the JSON text of a key, in which a Listed stands for its items."""
    digest = hashlib.sha256()
    for part in key_json(key):
        digest.update(part.encode())
    return digest.hexdigest()


def key_json(value: Any) -> Iterator[str]:
    """Yield, in parts, the text that ``json.dumps`` makes of a key."""
    if isinstance(value, Listed):
        yield "["
        items, before = iter(value.items()), ""
        while some := list(itertools.islice(items, _STEP)):
            yield before + json.dumps(some)[1:-1]
            before = ", "
        yield "]"
    elif isinstance(value, list | tuple):
        yield "["
        for place, each in enumerate(value):
            yield ", " if place else ""
            yield from key_json(each)
        yield "]"
    else:
        yield json.dumps(value)
