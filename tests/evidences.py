"""Evidence made of arrays, for tests of metrics."""

from __future__ import annotations

from types import SimpleNamespace


def evidence(**given):
    """Evidence that has what is given and nothing else; parameters are empty unless given."""
    found, kept = SimpleNamespace(**{"parameters": {}, **given}), {}

    def shared(name, compute):
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    found.shared, found.remembered = shared, lambda name, compute: compute()
    return found
