"""Mutations of JSON, TOML and their bytes."""

from __future__ import annotations

import copy
import json
import random
import reprlib
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, {}, [], "", 0, -1, 1e308, -1e308, 5e-324, 2**70, -(2**70), 10**400, float("nan"), float("inf"), [[]],
    {"": {}}, [None], "\x00", "\x1b[31mred\x1b[0m", "\u202ereversed", "=1+1", "../../../etc/passwd", "a" * 100_000,
    "\ud800", "\udcff", "{{7*7}}", "<script>alert(1)</script>", [1e308] * 40, ["x"] * 40, {"sha256": {}}, "1", "nan",
    [0] * 10_000, [0] * 600_000, ["x"] * 300_000, [{}] * 300_000, dict.fromkeys(map(str, range(100_000)), 0), {"a": [{"b": [{}]}]}, -0.0, 1.5, "digits", "0" * 64,
)  # fmt: skip
"""What a place may hold after a mutation."""


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all places in a document; of a long list, of the first three alone."""
    found = [path]
    if isinstance(document, dict):
        for key, value in document.items():
            found += places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:3]):
            found += places(value, (*path, index))
    return found


def mutated(document: Any, rng: random.Random) -> tuple[str, Any]:
    """Return what was done to a document, and the changed copy: one to three places hold something else."""
    document = copy.deepcopy(document)
    did = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        known = [path for path in places(document) if path]
        if not known:
            break
        *parents, last = rng.choice(known)
        inner = document
        for step in parents:
            inner = inner[step]
        kind = rng.choice(("replaced", "replaced", "replaced", "removed", "doubled", "renamed", "nested", "scaled"))
        value = inner[last]
        if kind == "removed":
            del inner[last]
        elif kind == "doubled":
            inner[last] = [value, value]
        elif kind == "renamed" and isinstance(inner, dict):
            inner[rng.choice(("", "x", "\x1b[2J", "schema", str(last) * 50))] = inner.pop(last)
        elif kind == "nested":
            for _ in range(rng.choice((1, 50, 900))):
                value = [value] if rng.random() < 0.5 else {"a": value}
            inner[last] = value
        elif kind == "scaled" and isinstance(value, int | float) and not isinstance(value, bool):
            inner[last] = value * rng.choice((-1, 0, 2, 1e300, 10**6))
        else:
            value = inner[last] = rng.choice(VALUES)
        did.append(f"{'.'.join(map(str, (*parents, last)))} {kind} {reprlib.repr(value)[:30]!r}")
    return ", ".join(did), document


def dumped(document: Any, rng: random.Random) -> tuple[str, bytes]:
    """Return a document as JSON text, sometimes with damage that no document has: how, and the bytes."""
    try:
        text = json.dumps(document)
    except RecursionError:
        text = "[" * 5000 + "]" * 5000
    data = text.encode("utf-8", "surrogatepass")
    kind = rng.choice(
        ("", "", "", "", "", "", "bytes", "cut", "deep", "bom", "utf-16", "twice", "empty", "nul", "number")
    )
    if kind == "bytes":
        for _ in range(rng.randrange(1, 20)):
            place = rng.randrange(len(data))
            data = data[:place] + rng.randbytes(1) + data[place + 1 :]
    elif kind == "cut":
        data = data[: rng.randrange(len(data))]
    elif kind == "deep":
        data = b'{"a":' * rng.choice((200, 3000, 100_000)) + data
    elif kind == "bom":
        data = b"\xef\xbb\xbf" + data
    elif kind == "utf-16":
        data = text.encode("utf-16", "surrogatepass")
    elif kind == "twice":
        data += data
    elif kind == "empty":
        data = b""
    elif kind == "nul":
        data = data.replace(b" ", b"\0", 1)
    elif kind == "number":
        data = data.replace(b": 1", b": 1" + b"0" * rng.choice((30, 400, 5000)), 1)
    return kind, data
