"""Labels and captions that stand in files: StyleGAN's dataset.json, Hugging Face's metadata files, a file of one's own.

A table (.csv, .tsv, .jsonl, .parquet) has a column of file names, and columns of labels or captions under the names
below. ``dataset.json`` is ``{"labels": [[name, label], ...]}`` or ``{"labels": null}``.
"""

from __future__ import annotations

import array
import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from genkit.data.extras import extra_module
from genkit.data.row_groups import LEAN, TooLarge, read_groups
from genkit.data.texts import Captions, Texts
from genkit.errors import DataError
from genkit.files.reading import MAX_MEMORY, parse_json, refuse_large
from genkit.files.text import check_names

FILES = ("file_name", "filename", "file", "path", "image", "image_id", "name")
LABELS = ("label", "labels", "fine_label", "class", "class_name", "category", "cls", "target", "y")
CAPTIONS = ("text", "texts", "caption", "captions", "prompt")
"""Names of the columns of labels, of which the first is read, and of captions, of which all are."""

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
STYLEGAN = "dataset.json"

Row = Mapping[str, Any]
Rows = Callable[[], Iterable[Row]]
"""The rows of a table, read anew whenever they are asked for, so that a million are not held."""

_LINE, _CELL, _COLUMNS = 64, 64, 10_000
"""Bytes of memory that are kept of a line, and that a cell of one takes; and most columns."""


class Annotations:
    """What a file says about images, row by row: a file name, and a label or captions; ``notes`` say how it was read.

    ``labelled``: the file speaks of labels, even if only to say that there are none.
    """

    def __init__(self, location: str, *, labelled: bool = False) -> None:
        self.location, self.labelled = location, labelled
        self.notes: list[str] = []
        self.names, self.captions = Texts(), Captions()
        self.values: list[str | int] = []
        """The different labels."""
        self._labels = array.array("q")
        self._known: dict[tuple[type, str | int], int] = {}

    def add(self, name: str, label: str | int | None, captions: tuple[str, ...]) -> None:
        """Add what one row says; an image may have several, each with a caption, but one label."""
        self.names.append(name)
        self.captions.append(captions)
        number = -1
        if label is not None:
            number = self._known.setdefault((type(label), label), len(self.values))
            if number == len(self.values):
                self.values.append(label)
        self._labels.append(number)

    def label(self, rows: Sequence[int]) -> str | int | None:
        """Return the label that rows of one image give it, None if they give none; raises DataError for two."""
        given = [(self.names[row], self.values[self._labels[row]]) for row in rows if self._labels[row] >= 0]
        for name, label in given:
            if label != given[0][1]:
                raise DataError(
                    f"{self.location} gives {name} two labels, {given[0][1]} and {label}: leave it one, "
                    "or read none with --labels none"
                )
        return given[0][1] if given else None


def parse(data: bytes, name: str, location: str, known: Callable[[str], bool], *, labelled: bool = True) -> Annotations:
    """Return the content of an annotation file, read as its suffix says.

    ``known`` tells whether a text names an image, which tells a headerless table from one with a header. Without
    ``labelled`` its labels are not read. Raises DataError for a file that can't be read or has no column of files.
    """
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".json":
            return _stylegan(check_names(parse_json(data)), location) if labelled else Annotations(location)
        if suffix == ".jsonl":
            return _of_names(_table(lambda: _json_lines(data, location), location, labelled), data, known)
        if suffix == ".parquet":
            return _table(_parquet(data, location), location, labelled)
        if suffix in (".csv", ".tsv", ".txt"):
            delimiter = "," if suffix == ".csv" else "\t"
            return _of_names(_csv(data, location, delimiter, known, labelled), data, known)
    except (ValueError, csv.Error, AttributeError) as error:
        kind = f"{suffix or '.csv'} in UTF-8"
        raise DataError(f"{location} can't be read ({error}): save it again as {kind}") from error
    raise DataError(f"{location} is no file of labels: give a .csv, .tsv, .jsonl, .parquet or dataset.json")


def _lines(data: bytes, newline: str) -> Iterator[str]:
    """Yield the lines of a text; its bytes that are no UTF-8 are those of names of files."""
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "surrogateescape", newline)


def _of_names(read: Annotations, data: bytes, known: Callable[[str], bool]) -> Annotations:
    """Return annotations in which bytes that are no UTF-8 stand in names of images alone; else UnicodeDecodeError."""
    texts = itertools.chain(map(str, read.values), itertools.chain.from_iterable(read.captions))
    for text, may in itertools.chain(((text, False) for text in texts), ((name, True) for name in read.names)):
        try:
            text.encode()
        except UnicodeEncodeError:
            if may and known(text):
                continue
            data.decode("utf-8-sig")
            raise
    return read


def caption_texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Return the different captions among values, each a text, a list of texts or nothing; numbers are texts too.

    Raises DataError for anything else.
    """
    texts: list[str] = []
    for value in values:
        for each in value if isinstance(value, list | tuple) else [value]:
            if not (each is None or isinstance(each, str | int | float)):
                raise DataError(f"the caption {each!r:.60} is no text: write a text or a list of texts")
            texts += [] if each is None else [str(each)]
    return tuple(dict.fromkeys(text for text in texts if text))


def caption_lines(data: bytes) -> tuple[str, ...]:
    """Return the captions in a text file, one a line."""
    return tuple(line.strip() for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip())


def is_stylegan(data: bytes) -> bool:
    """Return whether a dataset.json is that of StyleGAN's tools: an object with ``labels``, or one that is damaged."""
    try:
        found = parse_json(data)
    except ValueError:
        return data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and b'"labels"' in data
    return isinstance(found, dict) and "labels" in found


def _stylegan(found: Any, location: str) -> Annotations:
    if not (isinstance(found, dict) and "labels" in found):
        raise DataError(
            f'{location} has no labels: write {{"labels": [[file, label], ...]}}, or a .csv of file and label'
        )
    entries = found["labels"]
    read = Annotations(location, labelled=True)
    if not isinstance(entries, list | None):
        raise DataError(f"{location} has labels that are no list: write [[file, label], ...] or null")
    for entry in entries or ():
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise DataError(f"{location} has the entry {entry!r:.60} where [file, label] is due: mend that line")
        name, label = entry
        if isinstance(label, list):
            if not label or not all(isinstance(each, int | float) and math.isfinite(each) for each in label):
                raise DataError(f"{location} has the label {label!r:.60} of {name}: it must be a number or numbers")
            if not read.notes:
                read.notes.append(
                    f"{PurePosixPath(location).name} has vectors, read as the place of their largest entry"
                )
            label = label.index(max(label))
        if isinstance(label, bool) or not isinstance(label, int):
            raise DataError(f"{location} has the label {label!r:.60} of {name}: it must be a whole number or a vector")
        read.add(name, label, ())
    return read


def _json_lines(data: bytes, location: str) -> Iterator[Row]:
    refuse_large(data, {"\n": _LINE})
    for line in _lines(data, "\n"):
        if not line.strip():
            continue
        row = check_names(parse_json(line))
        if not isinstance(row, dict):
            raise DataError(f"{location} has the line {json.dumps(row)!s:.60}: write one object a line")
        yield row


def _csv(data: bytes, location: str, delimiter: str, known: Callable[[str], bool], labelled: bool) -> Annotations:
    refuse_large(data, {"\n": _LINE, delimiter: _CELL})
    first = next((line for text in _lines(data, "") for line in text.splitlines() if line.strip()), "")
    notes = []
    for other in (",", ";", "\t"):
        cells = [cell.strip(' "') for cell in first.split(other)]
        if delimiter not in first and len(cells) > 1 and (known(cells[0]) or any(c.lower() in FILES for c in cells)):
            said = {",": "commas", ";": "semicolons", "\t": "tabs"}[other]
            notes = [f"the columns of {PurePosixPath(location).name} are separated by {said}"]
            delimiter = other
            break

    def lines() -> Iterator[list[str]]:
        return (line for line in csv.reader(_lines(data, ""), delimiter=delimiter) if line)

    top = next(lines(), None)
    if top is None:
        raise DataError(f"{location} is empty: give it a line for each image")
    header = [cell.strip().lower() for cell in top]
    for line in lines():
        if any(map(str.strip, line[len(header) :])):
            raise DataError(
                f"{location} has {len(line)} columns in the line of {line[0]}, and {len(header)} in its first line: "
                'put a text that holds the delimiter in quotes, as "a dog, running"'
            )
    if any(cell in FILES for cell in header) and not known(top[0]):
        read = _table(
            lambda: (dict(zip(header, line, strict=False)) for line in itertools.islice(lines(), 1, None)),
            location,
            labelled,
        )
        read.notes += notes
        return read
    if len(header) < 2 or not known(top[0]):
        raise DataError(
            f"{location} has the columns {', '.join(top)}, of which none is a file: name them file_name and label"
        )
    read = _table(
        lambda: (dict(zip(("file_name", "label"), line, strict=False)) for line in lines()), location, labelled
    )
    read.notes += [*notes, f"{PurePosixPath(location).name} has no header: column 1 is read as file, column 2 as label"]
    return read


def _table(rows: Rows, location: str, labelled: bool) -> Annotations:
    found: dict[str, None] | None = None
    for row in rows():
        found = {} if found is None else found
        found.update((key, None) for key in row)
        if len(found) > _COLUMNS:
            raise ValueError(f"it has more than {_COLUMNS:,} columns")
    columns = list(found or ())
    by_name = {str(key).lower(): key for key in reversed(columns)}
    file, label = (next((by_name[name] for name in known if name in by_name), None) for known in (FILES, LABELS))
    captions = [by_name[name] for name in CAPTIONS if name in by_name]
    if found is None:
        raise DataError(f"{location} has no lines: give it one for each image")
    if file is None:
        raise DataError(
            f"{location} has the columns {', '.join(map(str, columns)) or 'none'}, of which none is a file: "
            "name one of them file_name"
        )
    others = [str(column) for column in columns if column not in (file, label, *captions)]
    unread = bool(others) and label is None and not captions
    label = label if labelled else None
    read = Annotations(location, labelled=label is not None)
    for row in rows():
        name = str(row.get(file) or "")
        given = None if label is None else _label(row.get(label), name, location)
        read.add(name, given, caption_texts([row.get(each) for each in captions]))
    if unread:
        read.notes.append(
            f"{PurePosixPath(location).name} has no column of labels or captions among {', '.join(others)}: "
            "name one label or text"
        )
    return read


def _label(value: Any, name: str, location: str) -> str | int:
    if value is None or value == "":
        raise DataError(
            f"{location} has no label for {name}: give every image one, drop the column, or pass --labels none"
        )
    if not isinstance(value, str | int | float):
        raise DataError(
            f"{location} has the label {value!r:.60} of {name}: give it one number or name, or pass --labels none"
        )
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value).strip()


def _parquet(data: bytes, location: str) -> Rows:
    parquet = extra_module("pyarrow.parquet", "parquet", f"reading {location}")
    try:
        with io.BytesIO(data) as source, parquet.ParquetFile(source, **LEAN) as file:
            columns = read_groups(file, io.BytesIO(data), range(file.num_row_groups), file.schema_arrow.names)
    except TooLarge as error:
        raise DataError(f"{location} has {error}, which are held in memory whole: raise {MAX_MEMORY}") from error
    except Exception as error:  # pyarrow raises anything at all on damaged files
        raise DataError(f"{location} can't be read ({error}): write it again") from error
    return lambda: (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
