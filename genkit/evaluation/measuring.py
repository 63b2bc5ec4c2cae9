"""How to measure: what does not depend on the subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genkit.errors import UsageError
from genkit.results.protocols import ProtocolPreset, find_protocol

COUNT = 5_000
CHUNK = 250


@dataclass(frozen=True)
class Measuring:
    """How to measure any subject of a data set.

    ``metrics`` is a name or names, None for all; ``features`` the same of extractors, None for the data set's own;
    ``weights`` a file for the one extractor named; ``count`` samples are drawn in chunks of ``chunk`` under evaluation
    seed ``seed``. ``protocol`` is a preset, or the name of one, that reproduces a reference's numbers
    (genkit.results.protocols); ``choices`` are the one extractor's, such as ``{"resize": "bilinear"}``; ``parameters``
    are further choices of metrics, by metric, such as ``{"nll": {"importance_samples": 100}}``.
    """

    metrics: str | Sequence[str] | None = None
    features: str | Sequence[str] | None = None
    weights: Path | None = None
    count: int = COUNT
    chunk: int = CHUNK
    seed: int = 0
    device: str = "auto"
    protocol: str | ProtocolPreset = "genkit"
    choices: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError("at least two samples are needed to measure anything")
        if self.weights is not None and len(self.extractors) > 1:
            raise UsageError("a weights file goes with one extractor: name one, or leave the file out")
        if self.choices and len(self.extractors) > 1:
            raise UsageError(f"{', '.join(self.choices)}: a choice goes with one extractor, so name one")
        _ = self.preset

    @property
    def wanted(self) -> list[str] | None:
        """The names of the metrics asked for, or None for all."""
        names = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        return None if names is None or list(names) == ["all"] else list(names)

    @property
    def extractors(self) -> list[str]:
        """The names of the extractors asked for; none for the data set's own."""
        if self.features is None:
            return []
        return [self.features] if isinstance(self.features, str) else list(dict.fromkeys(self.features))

    @property
    def preset(self) -> ProtocolPreset:
        """The protocol preset; raises UnknownName."""
        return find_protocol(self.protocol) if isinstance(self.protocol, str) else self.protocol
