"""The other columns of a board: each shows one protocol; a row without a value has the reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from genkit.ranking.means import Place
from genkit.ranking.rows import Row, weights_key
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
    example: dict[tuple[str, str], Place] = {}
    for history in histories:
        newest: dict[tuple[str, str], str] = {}
        for record in reversed(history):
            newest.update(dict.fromkeys(record.columns.protocols, record.place))
            example.update({key: (record, place) for key, place in record.columns.protocols.items()})
        for (name, fingerprint), created in newest.items():
            if name != score:
                column = seen.setdefault(name, {})
                count, last = column.get(fingerprint, (0, ""))
                column[fingerprint] = (count + 1, max(last, created))
    chosen = {name: example[name, max(column, key=lambda key: column[key])] for name, column in seen.items()}
    return {name: record.score_at(place) for name, (record, place) in chosen.items()}


def fill_columns(
    history: Sequence[Record], columns: Mapping[str, RecordedScore]
) -> tuple[dict[str, Place], dict[str, str]]:
    """Return where the scores of one row are, by column, and the reasons for the columns without one."""
    other: dict[str, Place] = {}
    for name, column in columns.items():
        key = name, column.fingerprint
        for record in history:  # newest first
            if (place := record.columns.protocols.get(key)) is not None:
                other[name] = record, place
                break
    blank: dict[str, str] = {}
    for name in [each for each in columns if each not in other]:
        newest = next((found for record in history if (found := record.score(name)) is not None), None)
        if newest is not None:
            blank[name] = f"measured otherwise than the column ({differences(newest, columns[name])})"
        else:
            metric = name.partition("[")[0]
            blank[name] = next((r.absent[metric] for r in history if metric in r.absent), "not measured")
    return other, blank


def mixed_code(rows: Sequence[Row], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns whose numbers different code of a plugin has measured, with what code."""
    columns = {record.columns for row in rows for record in (*row.records, *row.other.records)}
    known = {name for each in columns for name, _, _, foreign in each.scores if foreign}
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
