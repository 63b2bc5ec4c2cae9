"""A protocol: every choice that changes a number, and a fingerprint of those choices."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genkit.errors import GenkitError


@dataclass(frozen=True)
class Protocol:
    """All choices of one evaluation, in the groups that metrics name in ``depends_on``.

    ``data``: data set, content hash, splits. ``samples``: number, chunk size, evaluation seed. ``features``: extractor,
    hash of its weights, preprocessing, dtype. ``likelihood``: observation model, binarisation, seed. ``hardware``: the
    device that costs are measured on. ``prompts``: the hash of what a model of texts is asked, and that of the judge's
    weights; empty for other models. ``parameters``: those of each metric, by metric name.
    """

    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    samples: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    features: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    likelihood: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hardware: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    prompts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def document(self) -> dict[str, dict[str, Any]]:
        """Return the groups as a record holds them: without prompts where there are none, as ever."""
        groups = dataclasses.asdict(self)
        return {name: group for name, group in groups.items() if group or name != "prompts"}

    def choices(self, metric: str, depends_on: tuple[str, ...]) -> dict[str, Any]:
        """Return the choices of the named groups and the metric's parameters, under flat ``group.choice`` keys.

        Raises GenkitError for a group that does not exist.
        """
        known = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own = {f"parameters.{key}": value for key, value in self.parameters.get(metric, {}).items()}
        del known["parameters"]
        for name in depends_on:
            if name not in known:
                raise GenkitError(f"metric {metric!r} names the protocol group {name!r}; there are {', '.join(known)}")
        return {f"{name}.{key}": value for name in depends_on for key, value in known[name].items()} | own


def fingerprint(choices: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that are equal exactly when all choices are."""
    text = json.dumps(dict(choices), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return one text per choice that differs, such as ``samples.count 5000 / 1000``."""
    keys = sorted(set(one) | set(other))
    pairs = [(key, _text(one, key), _text(other, key)) for key in keys]
    return [f"{key} {_short(one, key)} / {_short(other, key)}" for key, here, there in pairs if here != there]


def _text(choices: Mapping[str, Any], key: str) -> str:
    """A choice as it enters the fingerprint: 1 and 1.0 differ, a tuple and a list do not."""
    return json.dumps(choices[key], sort_keys=True) if key in choices else ""


def _short(choices: Mapping[str, Any], key: str) -> str:
    text = str(choices.get(key, "-"))
    return text[:12] if len(text) == 64 else text
