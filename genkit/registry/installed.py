"""The installed entry points of plugins, and the distributions that they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, PackageNotFoundError, distributions, entry_points, version

from genkit.errors import UnknownName
from genkit.files.guard import guarded, sentence
from genkit.files.text import logger

_LOG = logger(__name__)

GROUP = "genkit"


def installed() -> Iterable[EntryPoint]:
    """Return all entry points of plugins; a distribution whose metadata can't be read is left out with a warning."""
    try:
        return entry_points(group=GROUP)
    except (ValueError, OSError, AttributeError, TypeError):  # of some distribution, maybe of no plugin
        found: list[EntryPoint] = []
        for dist in distributions():
            with guarded(lambda error: _LOG.warning("a package can't be looked at for plugins: %s", sentence(error))):
                found += dist.entry_points.select(group=GROUP)
        return found


def allowed(found: list[EntryPoint]) -> list[EntryPoint]:
    """Return those that ``GENKIT_PLUGINS`` lets through, sorted; raises UnknownName for one that is not installed."""
    found = sorted(found, key=lambda entry_point: (dist_of(entry_point), entry_point.name))
    setting = os.environ.get("GENKIT_PLUGINS")
    if setting is None:
        return found
    wanted = [name for name in (part.strip() for part in setting.split(",")) if name]
    names = {entry_point.name for entry_point in found} | {dist_of(entry_point) for entry_point in found}
    for name in wanted:
        if name not in names:
            raise UnknownName(
                "plugin", name, names, f" GENKIT_PLUGINS names it; installed: {', '.join(sorted(names)) or 'none'}"
            )
    return [e for e in found if e.name in wanted or dist_of(e) in wanted]


def dist_of(entry_point: EntryPoint) -> str:
    """Return the distribution's name, or the entry point's if the package's metadata is missing or damaged."""
    with guarded(lambda error: None):
        return (entry_point.dist.name if entry_point.dist else "") or entry_point.name
    return entry_point.name


def version_of(dist: str) -> str:
    """Return a distribution's version, or "unknown"."""
    try:
        return version(dist) or "unknown"
    except PackageNotFoundError:
        return "unknown"
