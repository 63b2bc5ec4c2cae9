"""What the parts of an evaluation have in common, and in what another evaluation differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genkit.features.cache import identity
from genkit.features.parts import Part
from genkit.metrics.evidence import Evidence
from genkit.registry.parameters import recorded
from genkit.registry.specs import MetricSpec
from genkit.results.environment import describe
from genkit.results.protocol import difference
from genkit.results.records import Subject

SHOWN = 3
"""How many differences are named."""

WEIGHTS = "samples.weights"
"""What stands for the weights of a model that is evaluated."""

NAMED = 10
"""How many parts are named."""


def asked_of(part: Part, subject: Subject, specs: Sequence[MetricSpec], evidence: Evidence) -> dict[str, Any]:
    """Return all that the parts of an evaluation must have in common, as plain JSON."""
    groups: dict[str, Mapping[str, Any]] = {
        "samples": {**evidence.generated.made_of, "chunk": evidence.samples.chunk},
        "reference": {**evidence.reference.made_of, "chunk": evidence.reference.samples.chunk},
        **{f"features.{each.name}": identity(each) for each in evidence.generated.extractors},
        **{
            f"metrics.{spec.name}": {
                "version": spec.version,
                **recorded(spec.schema, evidence.metrics[spec.name]),
            }
            for spec in specs
        },
    }
    flat = {f"{group}.{key}": value for group, choices in groups.items() for key, value in choices.items()}
    asked = {"parts": part.of, "subject": subject.name, "seed": evidence.seed, "metrics": ", ".join(evidence.metrics)}
    return {**asked, "genkit": describe()["genkit"], **flat}


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Name the first differences between what two evaluations ask for."""
    found = [text for key in dict.fromkeys([*here, *there]) for text in _difference(key, there, here)]
    return "; ".join(found[:SHOWN]) + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _difference(key: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> Sequence[str]:
    """Name what differs under one key; two hashes of weights say less than why they differ."""
    if key == WEIGHTS and key in there and key in here and there[key] != here[key]:
        return ["the model's weights: of another run or checkpoint, or raw instead of averaged"]
    return difference(*({key: side[key]} if key in side else {} for side in (there, here)))


def listed(numbers: Sequence[int]) -> str:
    """Return the numbers of parts as text."""
    return ", ".join(map(str, numbers[:NAMED])) + (" ..." if len(numbers) > NAMED else "")
