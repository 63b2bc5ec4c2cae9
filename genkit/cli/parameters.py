"""Types of arguments and options: lists of names, weights, folders."""

from __future__ import annotations

from typing import Any

import click

from genkit.errors import UsageError


class Names(click.ParamType[list[str]]):
    """Comma-separated names, at least one."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the names; fails with a usage error if there are none."""
        names = value if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]
        if not names:
            self.fail("it is empty: give one name or more, or leave the option out", param, ctx)
        return names


NAMES = Names()


class Weights(click.ParamType[dict[str, float]]):
    """Names with weights, e.g. ``fid=2,recall=1``."""

    name = "weights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """Return weights by name; fails with a usage error for a weight that is not a number."""
        if isinstance(value, dict):
            return value
        weights: dict[str, float] = {}
        for part in NAMES.convert(value, param, ctx):
            name, _, weight = part.partition("=")
            try:
                weights[name] = float(weight)
            except ValueError:
                self.fail(f"{part!r} is not a weight: write it like fid=2", param, ctx)
        return weights


WEIGHTS = Weights()


class RunsFolder(click.Path):
    """A folder of runs. Training writes to local disks only, so a URL is refused, not taken for a folder's name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises UsageError for a URL."""
        from genkit.results.locations import is_url

        if is_url(value):
            raise UsageError(
                f"{value} is a URL, and runs are kept in a folder: "
                "only genkit leaderboard, recommend and records read URLs"
            )
        return super().convert(value, param, ctx)
