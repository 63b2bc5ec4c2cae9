"""The options of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genkit.data import ImageDataset
from genkit.errors import UsageError
from genkit.features import offered_choices
from genkit.features.extractor import fitting
from genkit.files.text import logger
from genkit.registry.discovery import registry
from genkit.registry.parameters import checked_parameters
from genkit.registry.specs import MetricSpec
from genkit.results.protocols import PROTOCOLS, ProtocolPreset, find_protocol

_LOG = logger(__name__)

COUNT = 5_000
CHUNK = 250


@dataclass(frozen=True)
class EvalConfig:
    """The options of an evaluation, independent of what is evaluated.

    ``metrics`` is a name or several, also ``"fid,kid"``, None for all; ``features`` an extractor's name or several,
    None for the data set's own; ``weights`` the file of the only extractor. ``count`` samples are drawn in chunks of
    ``chunk`` from evaluation seed ``seed``. ``protocol`` is a protocol or its name, which reproduces the numbers of a
    reference implementation (genkit.results.protocols). ``choices`` are options of the only extractor, e.g.
    ``{"resize": "bilinear"}``; ``parameters`` those of metrics, e.g. ``{"nll": {"importance_samples": 100}}``. With
    ``metadata`` the files of a run's sample sheets say where they are from. Raises UsageError for fewer than two
    samples, or for ``weights`` or ``choices`` with several extractors, UnknownName for an unknown protocol or metric,
    OptionsError for a parameter of a wrong name, type or range.
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
    metadata: bool = True

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError("at least two samples are needed to measure anything")
        if self.weights is not None and len(self.extractors) > 1:
            raise UsageError("a weights file goes with one extractor: name one, or leave the file out")
        if self.choices and len(self.extractors) > 1:
            raise UsageError(f"{', '.join(self.choices)}: a choice goes with one extractor, so name one")
        for names, what in ((self.wanted, "metrics"), (self.features and self.extractors, "features")):
            if names == []:
                raise UsageError(f"{what} is empty: give one name or more, or leave it out")
        _ = self.protocol_preset
        _ = self.metric_parameters

    @property
    def wanted(self) -> list[str] | None:
        """The names of the metrics, or None for all."""
        names = None if self.metrics is None else _names(self.metrics)
        return None if names is not None and [name.lower() for name in names] == ["all"] else names

    @property
    def extractors(self) -> list[str]:
        """The names of the extractors; empty for the data set's own."""
        return [] if self.features is None else list(dict.fromkeys(_names(self.features)))

    @property
    def metric_parameters(self) -> dict[str, dict[str, Any]]:
        """``parameters`` by the names of the metrics' specs; raises UnknownName or OptionsError."""
        found: dict[str, dict[str, Any]] = {}
        for name, values in self.parameters.items():
            spec = registry().find(MetricSpec, name).spec
            if spec.name in found:
                raise UsageError(f"the parameters of {spec.name} are given twice: put them together")
            found[spec.name] = checked_parameters(spec.schema, values, spec.name)
        return found

    @property
    def protocol_preset(self) -> ProtocolPreset:
        """The protocol preset; raises UnknownName."""
        return find_protocol(self.protocol) if isinstance(self.protocol, str) else self.protocol

    def specs(self) -> list[MetricSpec]:
        """Return the metrics to measure; raises UnknownName for one that nothing offers."""
        if self.wanted is None:
            return [offer.spec for offer in registry().offers(MetricSpec)]
        found = [registry().find(MetricSpec, each) for each in self.wanted]
        return list({offer.qualified: offer.spec for offer in found}.values())

    def check_extractor(self, name: str) -> None:
        """Raise UsageError if the protocol sets a choice that an extractor does not offer."""
        offered = offered_choices(name)
        for key, value in self.protocol_preset.features.items():
            if key not in self.choices and value not in offered.get(key, ()):
                fits = [protocol for protocol, preset in PROTOCOLS.items() if fitting(offered, preset.features)]
                given = self.protocol if isinstance(self.protocol, str) else "given"
                raise UsageError(
                    f"protocol {given} sets {key}={value}, which {name} does not have: name an extractor that has "
                    f"it, as --features inception, or a protocol that fits {name} ({', '.join(fits)})"
                )

    def say_departures(self, data: ImageDataset) -> None:
        """Log in which ways a data set was read otherwise than by the package whose protocol is asked for."""
        if self.protocol_preset.opening and data.departures:
            package = self.protocol if isinstance(self.protocol, str) else "the protocol's package"
            read = ", ".join(data.departures)
            _LOG.warning("%s: %s, unlike in %s, whose own number may differ", data.name, read, package)


def _names(given: str | Sequence[str]) -> list[str]:
    """Return names that are given one by one or with commas between them."""
    parts = [given] if isinstance(given, str) else list(given)
    for part in parts:
        if not isinstance(part, str):
            raise UsageError(f"{part!r} is not a name: write it as text, such as 'fid'")
    return [name for part in parts for each in part.split(",") if (name := each.strip())]
