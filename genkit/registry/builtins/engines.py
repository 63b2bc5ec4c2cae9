"""The built-in engine."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import EngineSpec, hookimpl


@hookimpl
def genkit_engines() -> Iterator[EngineSpec]:
    """Processes of this machine."""
    yield EngineSpec("local", "genkit.benchmark.local:local", summary="Processes of this machine", lasting=False)
