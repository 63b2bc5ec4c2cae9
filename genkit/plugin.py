"""The facade for plugin authors: the only module that a ``plugin.py`` imports."""

from genkit.hookspecs import hookimpl
from genkit.specs import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec

__all__ = ["CommandSpec", "DatasetSpec", "FeatureSpec", "MetricSpec", "ModelSpec", "hookimpl"]
