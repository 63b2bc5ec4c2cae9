"""Pictures and learning curves of a board's records, as the page embeds them."""

from __future__ import annotations

import base64
import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genkit.errors import GenkitError, GenkitWarning
from genkit.files.reading import parse_json
from genkit.ranking.rows import Row
from genkit.results import store
from genkit.results.records import Record

if TYPE_CHECKING:
    from genkit.report.leaderboard import Leaderboard

GRIDS = 24
"""Only this many entries, the best of a longer board, have pictures and curves on the page."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Curves:
    """The log of one run: for each curve a value, or None, at each of ``images``."""

    seed: int
    images: list[float]
    curves: dict[str, list[float | None]]


@dataclass(frozen=True)
class EntryExhibits:
    """The exhibits of one entry. Pictures are ``data:`` URLs of the run with ``seed``, or empty."""

    label: str
    subject: str
    seed: int | None
    count: int | None = None
    """The number of samples among which the ratios are the smallest."""
    samples: str = ""
    memorised: str = ""
    ratios: tuple[float, ...] = ()
    reconstructions: str = ""
    curves: tuple[Curves, ...] = ()


def exhibits(leaderboard: Leaderboard) -> list[EntryExhibits]:
    """Return the exhibits of the best entries and of the calibration baselines, where there are any."""
    board = leaderboard.board
    entries = [_entry(row, leaderboard.origins) for row in (*board.rows[:GRIDS], *board.calibration)]
    return [entry for entry in entries if entry is not None]


def real_test(shown: Sequence[EntryExhibits]) -> EntryExhibits | None:
    """Return the exhibits of the real test images, whose ratios are the reference; None if there are none."""
    return next((entry for entry in shown if entry.subject == "real test" and entry.ratios), None)


def _entry(row: Row, origins: Mapping[str, str]) -> EntryExhibits | None:
    """Curves of all seeds; pictures of the lowest seed that has any, as all seeds draw the same latents."""
    curves: list[Curves] = []
    pictured: list[EntryExhibits] = []
    for record in sorted(row.records, key=_seed):
        files = _files(record, origins)
        logged = _curves(files.get("curves.json"), _seed(record))
        curves += [logged] if logged else []
        shown = _shown(row, record, files)
        pictured += [shown] if shown.samples or shown.memorised or shown.reconstructions else []
    if not pictured and not curves:
        return None
    return dataclasses.replace(
        pictured[0] if pictured else EntryExhibits(row.label, row.subject, None), curves=tuple(curves)
    )


def _shown(row: Row, record: Record, files: Mapping[str, bytes]) -> EntryExhibits:
    return EntryExhibits(
        row.label,
        row.subject,
        record.training.seed if record.training else None,
        count if isinstance(count := record.protocol.get("samples", {}).get("count"), int) else None,
        samples=picture(files.get("samples.png")),
        memorised=picture(files.get("memorised.png")),
        ratios=_ratios(files.get("memorised.json")),
        reconstructions=picture(files.get("reconstructions.png")),
    )


def _seed(record: Record) -> int:
    return record.training.seed if record.training else 0


def _files(record: Record, origins: Mapping[str, str]) -> Mapping[str, bytes]:
    """The exhibits of a record; empty if they can't be read, as the page is useful without pictures."""
    name = record.id
    if name not in origins:
        return {}
    try:
        return store.exhibits(origins[name], name)
    except (GenkitError, OSError) as error:
        warnings.warn(str(error), GenkitWarning, stacklevel=2)
        return {}


def picture(file: bytes | None) -> str:
    """Return a PNG file as a ``data:`` URL; empty for anything else."""
    if file is None or not file.startswith(_PNG):
        return ""
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def document(file: bytes | None) -> dict[str, Any]:
    """Return the JSON object in a file; empty for anything else."""
    try:
        held = parse_json(file or b"{}")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _numbers(values: Any) -> list[float | None]:
    """The numbers of a list, with None for anything that is not a finite number."""
    return [_finite(value) for value in values] if isinstance(values, list) else []


def _finite(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:  # an integer beyond all floats
        return None


def _ratios(file: bytes | None) -> tuple[float, ...]:
    return tuple(ratio for ratio in _numbers(document(file).get("ratio")) if ratio is not None)


def _curves(file: bytes | None, seed: int) -> Curves | None:
    held = document(file)
    images = [each for each in _numbers(held.get("images")) if each is not None]
    named = held.get("curves")
    curves = {name: _numbers(values) for name, values in named.items()} if isinstance(named, dict) else {}
    whole = {name: values for name, values in curves.items() if len(values) == len(images) > 1}
    return Curves(seed, images, whole) if whole else None
