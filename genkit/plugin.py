"""The interface for plugin authors: all that a ``plugin.py`` imports from genkit."""

from genkit.registry.hookspecs import hookimpl
from genkit.registry.parameters import Parameter
from genkit.registry.specs import (
    CommandSpec,
    DatasetSpec,
    EngineSpec,
    FeatureSpec,
    MetricSpec,
    ModelSpec,
    TextEncoderSpec,
    TrackerSpec,
)

__all__ = [
    "CommandSpec",
    "DatasetSpec",
    "EngineSpec",
    "FeatureSpec",
    "MetricSpec",
    "ModelSpec",
    "Parameter",
    "TextEncoderSpec",
    "TrackerSpec",
    "hookimpl",
]
