"""What a tuned run learned of its new images, for a page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genkit.report.pictures import document, picture

_SAID = {
    "precision": "share of samples within the neighbourhoods of the new images",
    "density": "mean number of these neighbourhoods that a sample lies in, over k",
    "authpct": "samples that are no suspected copies of new images, in per cent",
}


@dataclass(frozen=True)
class Measure:
    """One number about the new images: of the samples, with its interval, and of the parent's images where it has one.

    ``what`` says what it means.
    """

    name: str
    what: str
    value: float
    ci_low: float
    ci_high: float
    old: float | None


@dataclass(frozen=True)
class Concept:
    """What ``concept.json`` and ``concept.png`` of a record say; ``picture`` is a ``data:`` URL, or empty."""

    asked: str
    images: int
    samples: int
    extractor: str
    measures: tuple[Measure, ...]
    ratios: tuple[float, ...]
    picture: str

    def lines(self) -> list[str]:
        """Return the concept as text."""
        told = [
            f"  {each.name} {each.value:.3g} [{each.ci_low:.3g}, {each.ci_high:.3g}]"
            + ("" if each.old is None else f", of old images {each.old:.3g}")
            for each in self.measures
        ]
        return [
            f"{self.asked}: {self.samples:,} samples against the {self.images} new images, by {self.extractor}",
            *told,
        ]


def concept(files: Mapping[str, bytes]) -> Concept | None:
    """Return what the exhibits of a record say of the images that its run was tuned to; None if they say nothing."""
    facts = document(files.get("concept.json"))
    try:
        measures = tuple(_measure(name, facts) for name in _SAID)
        asked = f'"{facts["prompt"]}"' if facts["prompt"] else "what it was tuned to"
        ratios = tuple(float(each) for each in facts.get("ratio", ()))
        counts = int(facts["images"]), int(facts["samples"])
        return Concept(asked, *counts, str(facts["extractor"]), measures, ratios, picture(files.get("concept.png")))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _measure(name: str, facts: Mapping[str, Any]) -> Measure:
    own, old = facts[name], facts["old"].get(name)
    value, low, high = (float(own[each]) for each in ("value", "ci_low", "ci_high"))
    return Measure(name, _SAID[name], value, low, high, None if old is None else float(old["value"]))
