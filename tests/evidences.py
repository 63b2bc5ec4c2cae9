"""Evidence made of arrays, for tests of metrics."""

from __future__ import annotations

from types import SimpleNamespace


def evidence(**given):
    """Evidence that has what is given and nothing else; parameters are empty unless given."""
    found = SimpleNamespace(**{"parameters": {}, **given})
    found.shared = lambda name, compute: found.__dict__.setdefault("_shared", {}).setdefault(name, compute())
    found.remembered = lambda name, compute: compute()
    return found
