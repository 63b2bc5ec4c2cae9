"""The facade for plugin authors: the only module that a ``plugin.py`` imports."""

from genkit.registry.hookspecs import hookimpl
from genkit.registry.specs import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec

__all__ = ["CommandSpec", "DatasetSpec", "FeatureSpec", "MetricSpec", "ModelSpec", "hookimpl"]
