"""Types of arguments and options: lists of names, weights, parameters of metrics, folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from genkit.errors import UsageError
from genkit.files.text import existing


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


def metric_parameters(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Parse ``METRIC.NAME=VALUE`` into parameters by metric; raises UsageError for other forms or repetition."""
    from genkit.options import parse_assignments

    found: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        metric, _, name = key.strip().rpartition(".")
        if not (metric and name and separator):
            raise UsageError(f"-p {assignment}: write METRIC.NAME=VALUE, such as kid.subsets=50")
        given = found.setdefault(metric.lower() if ":" not in metric else metric, {})
        parsed = parse_assignments([f"{name}={value}"])
        if given.keys() & parsed.keys():
            raise UsageError(f"-p {metric}.{name} is given twice: leave one out")
        given |= parsed
    return found


def sweep_values(assignments: Iterable[str]) -> dict[str, list[Any]]:
    """Parse ``NAME=V1,V2,...`` into values by option; raises UsageError for other forms or repetition."""
    from genkit.options import parse_assignments

    found: dict[str, list[Any]] = {}
    for assignment in assignments:
        name, separator, values = assignment.partition("=")
        name = name.strip().replace("-", "_")
        parts = [part.strip() for part in values.split(",")]
        if not name or not separator or not all(parts):
            raise UsageError(f"--sweep {assignment}: write NAME=V1,V2,..., such as guidance=1,1.5,2")
        if name in found:
            raise UsageError(f"--sweep {name} is given twice: put its values together")
        found[name] = [parse_assignments([f"value={part}"])["value"] for part in parts]
    return found


class Size(click.ParamType[Any]):
    """A height and width: ``64``, or ``64x48`` for 64 high and 48 wide."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number for a square, else (height, width); fails with a usage error for anything else."""
        if not isinstance(value, str):
            return value
        sides = value.lower().split("x")
        if len(sides) > 2 or not all(side.isascii() and side.isdigit() and int(side) > 0 for side in sides):
            self.fail(f"{value!r} is no size: write 64, or 64x48 for height x width", param, ctx)
        return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


SIZE = Size()


class FilledPath(click.Path):
    """A path that is not empty, as of a variable that is not set; click takes an empty one for the current folder.

    A path that exists only as ``genkit.files.text.read_back`` reads it is that one: so can shown paths be given.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises UsageError for an empty text."""
        if isinstance(value, str) and not value.strip():
            self.fail("the path is empty: give one, or leave it out", param, ctx)
        return super().convert(existing(value) if isinstance(value, str) else value, param, ctx)


_PICTURES = {".png", ".gif", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pdf", ".svg", ".mp4"}


class PictureFile(FilledPath):
    """A path of a picture that is written in one format, and does not have the suffix of another."""

    def __init__(self, suffix: str) -> None:
        super().__init__(path_type=Path, dir_okay=False)
        self.suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises UsageError for a name of another format."""
        path = super().convert(value, param, ctx)
        if path.suffix.lower() in _PICTURES - {self.suffix}:
            self.fail(f"it is written as {self.suffix[1:].upper()}: name it {path.stem}{self.suffix}", param, ctx)
        return path


class Address(click.ParamType[str]):
    """A folder or URL."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; of a path as it was shown, the path."""
        return existing(str(value))


class Filled(click.ParamType[str]):
    """A text that is not empty."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; fails with a usage error for an empty one."""
        if not str(value).strip():
            self.fail("it is empty: give it a value, or leave the option out", param, ctx)
        return str(value)


class RunsFolder(FilledPath):
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
