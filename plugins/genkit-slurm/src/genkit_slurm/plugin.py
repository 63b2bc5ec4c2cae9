"""The hook of genkit-slurm."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import EngineSpec, hookimpl


@hookimpl
def genkit_engines() -> Iterator[EngineSpec]:
    """The engine."""
    yield EngineSpec(
        "slurm",
        "genkit_slurm.engine:slurm",
        summary="Jobs of a Slurm cluster, by submitit",
        options="those of submitit: timeout_min, mem_gb, nodes, tasks_per_node, slurm_partition ...; cluster",
    )
