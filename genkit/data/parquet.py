"""Parquet files as Hugging Face writes them: ``data/train-00000-of-00001.parquet``, or a single file.

The images are a column of structs with ``bytes`` and ``path``, or of binary; ``label`` is their class, named by the
schema's metadata; ``text`` or ``caption`` are captions (for other names see annotations.py). pyarrow does the reading.
"""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any

from genkit.data.annotations import CAPTIONS, LABELS, caption_texts
from genkit.data.extras import extra_module
from genkit.data.pieces import Piece
from genkit.data.row_groups import LEAN, TooLarge, read_groups, refuse_large
from genkit.data.shards import Samples, SampleTree, find_shards, shards_key
from genkit.data.source import DatasetRequest, Source
from genkit.data.tree import TreeSource
from genkit.errors import DataError, UsageError
from genkit.files.names import in_utf8
from genkit.files.reading import MAX_MEMORY, open_file, parse_json

IMAGES = ("image", "img", "images", "jpg", "jpeg", "png", "webp")


class ParquetTree(SampleTree):
    """The rows of parquet files; one group of rows is held in memory."""

    has_arrays = True

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        super().__init__(str(path), request)
        self.path = path
        self._pq = extra_module("pyarrow.parquet", "parquet", f"reading {path}")
        self._groups: list[tuple[int, Path, int]] = []
        """The place of the first row of each group of rows, its file, and its number there."""
        self._group: tuple[Path, int] | None = None
        self._fault: DataError | None = None
        self._values: list[Any] = []
        self._column = ""
        self._classes: tuple[str, ...] = ()

    def key(self) -> Any:
        """Return each file's path, size, times and inode."""
        return shards_key(self.path, ".parquet")

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the ClassLabel."""
        return self._classes

    def read_samples(self) -> Samples:
        """Read labels and captions of all rows; raises DataError for files without a column of images."""
        shards, notes = find_shards(self.path, ".parquet")
        self.said += notes
        found = Samples()
        held = 0
        for shard in shards:
            file = self._open(shard.path)
            self._column = image_column(file.schema_arrow, self.request, str(shard.path))
            label, classes = label_column(file.schema_arrow, self.request)
            if len(found.names) and classes != self._classes:
                raise DataError(
                    f"{shard.path} names other classes than the files before it: write its labels by the same names, "
                    "or read none with --labels none"
                )
            self._classes = classes
            texts = [name for name in CAPTIONS if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                self._refuse_large(0, len(found.names) + rows)
                columns = self._table(shard.path, group, [*([label] if label else []), *texts])
                self._groups.append((len(found.names), shard.path, group))
                for row in range(rows):
                    captions = caption_texts([columns[each][row] for each in texts])
                    held += sum(map(len, captions))
                    value = columns[label][row] if label else None
                    found.add(f"{shard.path.name}/{len(found.names):08d}", shard.split, value, captions)
                self._refuse_large(held, len(found.names))
        return found

    def piece(self, place: int) -> Piece:
        """Return the bytes of one row's image; raises DataError."""
        first, path, group = self._groups[bisect.bisect_right(self._groups, place, key=lambda each: each[0]) - 1]
        row = place - first
        if self._group != (path, group):
            self._values, self._fault = [], None
            self._group = (path, group)
            try:
                self._values = self._table(path, group, [self._column])[self._column]
            except DataError as error:  # of each of its rows, which are not to be read once for each
                self._fault = error
        if self._fault is not None:
            raise self._fault
        if row >= len(self._values):
            raise _damaged(path, ValueError(f"it has no row {row:,} in group {group}"))
        value = self._values[row]
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise DataError(f"{self.full_name(place)} has no bytes in {self._column}: embed the images in the file")
        return Piece(self.full_name(place), data)

    def close(self) -> None:
        """Forget the rows in memory."""
        self._group, self._values, self._fault = None, [], None

    def _open(self, path: Path) -> Any:
        try:
            with in_utf8(path) as name:
                return self._pq.ParquetFile(name)
        except Exception as error:  # pyarrow's own errors have no common base
            raise _damaged(path, error) from error

    def _refuse_large(self, size: int, rows: int) -> None:
        try:
            refuse_large(size, rows)
        except TooLarge as error:
            raise DataError(
                f"{self.path} has {error} whose names and captions are kept in memory: divide it, or raise {MAX_MEMORY}"
            ) from error

    def _table(self, path: Path, group: int, columns: list[str]) -> dict[str, list[Any]]:
        if not columns:
            return {}
        try:
            with in_utf8(path) as name, open_file(path) as source, self._pq.ParquetFile(name, **LEAN) as file:
                return read_groups(file, source, [group], columns)
        except TooLarge as error:
            raise DataError(
                f"{path} has {error} in one group of rows, which is held in memory whole: write it with smaller "
                f"row groups, or raise {MAX_MEMORY}"
            ) from error
        except Exception as error:
            raise _damaged(path, error) from error


def image_column(schema: Any, request: DatasetRequest, name: str) -> str:
    """Return the name of the column of images in an Arrow schema; raises DataError, which starts with ``name``."""
    fits = [field.name for field in schema if _holds_images(field.type)]
    if request.array:
        if request.array not in fits:
            raise UsageError(
                f"{name} has no column {request.array!r} of images: choose one of {', '.join(fits) or 'none'}"
            )
        return request.array
    known = [column for column in IMAGES if column in fits]
    if known or len(fits) == 1:
        return (known or fits)[0]
    if fits:
        raise DataError(f"{name} may have images in {', '.join(fits)}: choose the column with --array {fits[0]}")
    raise DataError(
        f"{name} has no column of encoded images among {', '.join(schema.names) or 'none'}: "
        "give it one of bytes, or of structs with bytes"
    )


def label_column(schema: Any, request: DatasetRequest) -> tuple[str, tuple[str, ...]]:
    """Return the name of the column of labels, empty if there is none, and the names of its classes."""
    try:
        features = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        features = {}
    named = {
        name: tuple(map(str, feature["names"]))
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }
    label = next((name for name in LABELS if name in schema.names), "")
    if not label and len(named) == 1:
        label = next(iter(named))
    return (label, named.get(label, ())) if label in schema.names and request.labels != "none" else ("", ())


def _holds_images(kind: Any) -> bool:
    text = str(kind)
    return text in ("binary", "large_binary", "binary_view") or (text.startswith("struct<") and "bytes: " in text)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} can't be read as parquet ({' '.join(str(error).split())[:200]}): fetch it again")


def parquet(request: DatasetRequest) -> Source:
    """Return the source of ``parquet:PATH``."""
    return TreeSource(ParquetTree(Path(request.argument).expanduser(), request), request)
