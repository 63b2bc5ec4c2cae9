"""Results of conformance checks."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any, Literal

from genkit.errors import one_line

Status = Literal["passed", "failed", "skipped"]


class CheckSkipped(Exception):
    """Raised by a check that does not apply to the model; the message says why."""


class CheckFailed(Exception):
    """Raised by a check that fails; the message is one sentence."""


def require(condition: bool, reason: str) -> None:
    """Raise CheckFailed with the reason unless the condition holds."""
    if not condition:
        raise CheckFailed(reason)


@dataclass(frozen=True)
class Result:
    """The result of one check; ``reason`` is empty if it passed."""

    check: str
    status: Status
    reason: str = ""

    def __str__(self) -> str:
        return one_line(f"{self.status:8}{self.check}" + (f": {self.reason}" if self.reason else ""))


@dataclass(frozen=True)
class Report:
    """The results of all checks of one model, in order."""

    model: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.named("failed")

    def named(self, status: Status) -> list[str]:
        """Return the names of the checks with this status."""
        return [result.check for result in self.results if result.status == status]

    @property
    def summary(self) -> str:
        """One line: ``19 checks: 17 passed, 2 skipped (no reconstruct, no log_likelihood)``."""
        counts = [f"{len(self.named('passed'))} passed"]
        if self.named("failed"):
            counts.append(f"{len(self.named('failed'))} failed ({', '.join(self.named('failed'))})")
        if self.named("skipped"):
            reasons = dict.fromkeys(result.reason for result in self.results if result.status == "skipped")
            counts.append(f"{len(self.named('skipped'))} skipped ({', '.join(reasons)})")
        return one_line(f"{len(self.results)} checks: {', '.join(counts)}")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        results = [asdict(result) for result in self.results]
        return {"model": self.model, "ok": self.ok, "summary": self.summary, "results": results}

    def __str__(self) -> str:
        return "\n".join([*map(str, self.results), self.summary])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
