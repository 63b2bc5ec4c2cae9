"""The other columns of a board: each shows one protocol; a row without a value has the reason."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from genkit.ranking.rows import Row, weights_key
from genkit.results.intervals import t_quantile
from genkit.results.packing import over_seeds
from genkit.results.protocol import difference
from genkit.results.records import Record, RecordedScore


def histories(records: Sequence[Record]) -> dict[str, list[Record]]:
    """All records of each set of weights or images, newest first."""
    history: dict[str, list[Record]] = defaultdict(list)
    for record in reversed(records):
        history[weights_key(record)].append(record)
    return history


def choose_columns(histories: Iterable[Sequence[Record]], score: str) -> dict[str, RecordedScore]:
    """Return the columns besides ``score``, each with a score of its protocol: the most frequent, then the newest."""
    seen: dict[str, dict[str, tuple[int, str]]] = {}
    example: dict[str, RecordedScore] = {}
    for history in histories:
        newest: dict[tuple[str, str], str] = {}
        for record in reversed(history):
            for other in record.scores:
                newest[other.name, other.fingerprint] = record.place
                example[other.fingerprint] = other
        for (name, fingerprint), created in newest.items():
            if name != score:
                column = seen.setdefault(name, {})
                count, last = column.get(fingerprint, (0, ""))
                column[fingerprint] = (count + 1, max(last, created))
    return {name: example[max(column, key=lambda key: column[key])] for name, column in seen.items()}


def means_over_seeds(seeds: Sequence[Mapping[str, RecordedScore]]) -> dict[str, RecordedScore]:
    """The column scores of an entry; over several seeds their means, with Student's t interval over seeds."""
    found: dict[str, RecordedScore] = {}
    for name in dict.fromkeys(name for each in seeds for name in each):
        scores = [each[name] for each in seeds if name in each]
        found[name] = scores[-1]
        if len(scores) > 1:
            mean, half = mean_over_seeds([score.value for score in scores])
            found[name] = over_seeds(scores[-1], mean, half)
    return found


def mean_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The mean over seeds and the half-width of its 95 % interval (Student's t)."""
    return fmean(values), t_quantile(len(values) - 1) * deviation(values) / math.sqrt(len(values))


def deviation(values: Sequence[float]) -> float:
    """Return what ``statistics.stdev`` does, rounded once as there, in a tenth of its time: in integers.

    A square root of 55 bits or more, whose last bit says whether it is exact, rounds to a float as the true one does.
    """
    ratios = [value.as_integer_ratio() for value in values]
    scale = max(below for _, below in ratios)  # powers of two
    whole = [above * (scale // below) for above, below in ratios]
    size, total = len(whole), sum(whole)
    above, below = size * sum(each * each for each in whole) - total * total, size * (size - 1) * scale * scale
    if above == 0:
        return 0.0
    shift = (above.bit_length() - below.bit_length() - 109) // 2
    below, above = (below << 2 * shift, above) if shift >= 0 else (below, above << -2 * shift)
    root = math.isqrt(above // below)
    root |= root * root * below != above
    return float(root << shift) if shift >= 0 else root / (1 << -shift)


def fill_columns(
    history: Sequence[Record], columns: Mapping[str, RecordedScore]
) -> tuple[dict[str, RecordedScore], dict[str, str]]:
    """Return the scores of one row by column, and the reasons for the columns without one."""
    other: dict[str, RecordedScore] = {}
    blank: dict[str, str] = {}
    known: dict[str, list[RecordedScore]] = {}
    for record in history:
        for found in record.scores:
            known.setdefault(found.name, []).append(found)
    for name, column in columns.items():
        scores = known.get(name, [])
        fitting = next((each for each in scores if each.fingerprint == column.fingerprint), None)
        if fitting is not None:
            other[name] = fitting
        elif scores:
            blank[name] = f"measured otherwise than the column ({differences(scores[0], column)})"
        else:
            metric = name.partition("[")[0]
            blank[name] = next((r.absent[metric] for r in history if metric in r.absent), "not measured")
    return other, blank


def mixed_code(rows: Sequence[Row], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns whose numbers different code of a plugin has measured, with what code."""
    known = {score.name for row in rows for each in row.records for score in each.scores if score.code}
    known |= {name for row in rows for name, score in row.other.items() if score.code}
    found = {name: _codes_of(rows, name) for name in names if name in known}
    return {name: codes for name, codes in found.items() if len(codes) > 1}


def _codes_of(rows: Iterable[Row], name: str) -> tuple[str, ...]:
    """Return the code that measured the scores of a column, one text for each, of a plugin's metric or extractor."""
    found: dict[str, None] = {}
    for row in rows:
        shown = row.score if row.score is not None and row.score.name == name else row.other.get(name)
        if shown is None:
            continue
        of_seeds = [each for record in row.records for each in record.scores if each.name == name]
        for score in [shown, *(each for each in of_seeds if each.fingerprint == shown.fingerprint)]:
            texts = [
                " ".join(
                    filter(None, (score.code.get(f"{what}.{key}", "")[:20] for key in ("dist", "version", "source")))
                )
                for what in ("metric", "extractor")
            ]
            found[" with ".join(filter(None, texts)) or "unknown code"] = None
    return tuple(found)


def differences(one: RecordedScore, other: RecordedScore) -> str:
    """Say in which choices two scores of one name differ."""
    metrics = [{"metric": each.metric, "metric version": each.version} for each in (one, other)]
    return "; ".join(difference(one.choices, other.choices) + difference(*metrics))
