"""The hook of genkit-ray."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import EngineSpec, hookimpl


@hookimpl
def genkit_engines() -> Iterator[EngineSpec]:
    """The engine."""
    yield EngineSpec(
        "ray", "genkit_ray.engine:ray_engine", summary="Tasks of a Ray cluster, or of this machine", lasting=False
    )
