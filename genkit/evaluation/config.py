"""The options of an evaluation."""

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
class EvalConfig:
    """The options of an evaluation, independent of what is evaluated.

    ``metrics`` is a name or several, None for all; ``features`` an extractor's name or several, None for the data set's
    own; ``weights`` the file of the only extractor. ``count`` samples are drawn in chunks of ``chunk`` from evaluation
    seed ``seed``. ``protocol`` is a protocol or its name, which reproduces the numbers of a reference implementation
    (genkit.results.protocols). ``choices`` are options of the only extractor, e.g. ``{"resize": "bilinear"}``;
    ``parameters`` those of metrics, e.g. ``{"nll": {"importance_samples": 100}}``. Raises UsageError for fewer than two
    samples, or for ``weights`` or ``choices`` with several extractors, UnknownName for an unknown protocol.
    """

    metrics: str | Sequence[str] | None = None
    features: str | Sequence[str] | None = None
    weights: Path | str | None = None
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
        _ = self.protocol_preset

    @property
    def wanted(self) -> list[str] | None:
        """The names of the metrics, or None for all."""
        names = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        return None if names is None or list(names) == ["all"] else list(names)

    @property
    def extractors(self) -> list[str]:
        """The names of the extractors; empty for the data set's own."""
        if self.features is None:
            return []
        return [self.features] if isinstance(self.features, str) else list(dict.fromkeys(self.features))

    @property
    def protocol_preset(self) -> ProtocolPreset:
        """The protocol preset; raises UnknownName."""
        return find_protocol(self.protocol) if isinstance(self.protocol, str) else self.protocol
