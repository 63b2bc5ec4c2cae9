"""Scores measured by different code of a plugin: in what it differs, and whether what is installed is the same."""

from __future__ import annotations

from genkit.results.records import RecordedScore

SOURCE = "features.source_sha256"
"""The choice that is the source of a plugin's extractor. It is as it is installed, as a metric's is."""


class OtherCodeError(Exception):
    """What is installed is not the code that made a score."""


def code_changes(first: RecordedScore, second: RecordedScore) -> list[tuple[str, str | None, str | None]]:
    """Return how the code of a plugin's metric differs, and the versions where the sources of metric or extractor do.

    Each is a name such as ``metric.source`` and its values. The source of an extractor is a choice already.
    """
    changes = []
    for what in ("metric", "extractor"):
        if first.code.get(f"{what}.source") == second.code.get(f"{what}.source"):
            continue
        for name in ("dist", "version", "source") if what == "metric" else ("dist", "version"):
            key = f"{what}.{name}"
            if first.code.get(key) != second.code.get(key):
                changes.append((key, first.code.get(key), second.code.get(key)))
    return changes


def require_same_code(score: RecordedScore, again: RecordedScore) -> None:
    """Raise OtherCodeError if a score was measured again by other code; of old records the code is not known."""
    for what in ("metric", "extractor"):
        if score.code.get(f"{what}.source", "") not in ("", again.code.get(f"{what}.source")):
            package = " ".join(filter(None, (score.code.get(f"{what}.{name}") for name in ("dist", "version"))))
            raise OtherCodeError(
                f"the {what}'s code has changed since, or can't be read: install {package or 'its package'} as it was"
            )
