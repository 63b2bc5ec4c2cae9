"""The hook of genkit-slurm."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import EngineSpec, hookimpl


@hookimpl
def genkit_engines() -> Iterator[EngineSpec]:
    """The engine."""
    yield EngineSpec("slurm", "genkit_slurm.engine:slurm", summary="Jobs of a Slurm cluster, by submitit")
