"""The values of a parquet file, read in steps of bounded memory, whatever the file claims.

A dictionary, or a prefix, holds once what each of a million rows has; and the size of a column in the footer need not
be what its pages unpack to. So the headers of the pages are read first, as they are what pyarrow takes memory by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from genkit.files.reading import entire

_STEP, _SHARE = 4096, 16  # rows decoded at a time, and their share of the memory, of which pyarrow takes several
_VALUE = 64  # bytes of memory of a value in Python, besides its own
_ROW = 256  # bytes of memory of what is known of a row

_PAGES, _FIELDS, _DEPTH = 100_000, 64, 8
"""More pages in a column, fields in a header and structs in one another than any writer makes."""

LEAN: Mapping[str, Any] = {"buffer_size": 1 << 20, "pre_buffer": False}
"""How a ParquetFile is opened that does not hold all bytes of a column in a group of rows at once."""


class TooLarge(ValueError):
    """Values that would take more memory than ``entire()``; the message is their size."""


def refuse_large(size: int, rows: int = 0) -> None:
    """Raise TooLarge for values of so many bytes, and for so many rows that are listed."""
    if size + rows * _ROW > entire():
        raise TooLarge(f"{size:,} bytes" if size else f"{rows:,} rows")


def read_groups(file: Any, source: BinaryIO, groups: Sequence[int], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of columns in some groups of rows of a ParquetFile, whose bytes are in ``source`` too.

    Raises TooLarge, ValueError for one that contradicts itself, and what pyarrow raises.
    """
    found: dict[str, list[Any]] = {name: [] for name in names}
    try:
        spent = 0
        for group in groups:
            spent = _read_group(file, source, group, found, spent)
    except BaseException:
        found.clear()  # which the error's traceback would keep
        raise
    return found


def _read_group(file: Any, source: BinaryIO, group: int, found: dict[str, list[Any]], spent: int) -> int:
    """Add the values of a group of rows to those found; return the bytes that all of them take."""
    facts = file.metadata.row_group(group)
    chunks = [facts.column(index) for index in range(facts.num_columns)]
    pages = [size for each in chunks if each.path_in_schema.split(".")[0] in found for size in page_sizes(source, each)]
    refuse_large(spent + sum(pages))
    step = max(1, min(_STEP, entire() // _SHARE // max([1, *pages])))  # no value is larger than a page
    rows = 0
    for batch in file.iter_batches(step, row_groups=[group], columns=list(found)):
        spent += batch.nbytes + _VALUE * batch.num_rows * len(found)
        refuse_large(spent)
        rows += batch.num_rows
        for name, values in batch.to_pydict().items():
            found[name] += values
    if rows != facts.num_rows:
        raise ValueError(f"it says {facts.num_rows:,} rows and has {rows:,}")
    return spent


def page_sizes(source: BinaryIO, chunk: Any) -> Iterator[int]:
    """Yield the bytes that each page of a column in a group of rows unpacks to; raises ValueError."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (first := chunk.dictionary_page_offset) < start:
        start = first
    source.seek(max(0, start))
    for _ in range(_PAGES):
        if source.tell() >= start + chunk.total_compressed_size:
            return
        header = _struct(source)
        unpacked, packed = header.get(2, -1), header.get(3, -1)
        if unpacked < 0 or packed < 0:
            raise ValueError("a page has no size")
        yield unpacked
        source.seek(packed, 1)
    raise ValueError(f"a column has more than {_PAGES:,} pages in one group of rows")


def _struct(source: BinaryIO, depth: int = 0) -> dict[int, int]:
    """Return the whole numbers among the fields of a struct in Thrift's compact protocol; the others are skipped."""
    numbers: dict[int, int] = {}
    field = 0
    for _ in range(_FIELDS):
        byte = _byte(source)
        if not byte:
            return numbers
        kind = byte & 15
        field = field + (byte >> 4) if byte >> 4 else _whole(source)
        if kind in (4, 5, 6):
            numbers[field] = _whole(source)
        elif kind > 2:  # the value of a bool is its kind
            _skip(source, kind, depth)
    raise ValueError("the header of a page has no end")


def _skip(source: BinaryIO, kind: int, depth: int) -> None:
    if kind == 3:
        _byte(source)
    elif kind == 7:
        source.seek(8, 1)
    elif kind == 8:
        source.seek(_varint(source), 1)
    elif kind == 12 and depth < _DEPTH:
        _struct(source, depth + 1)
    else:  # lists and maps, which no header of a page has
        raise ValueError("the header of a page can't be read")


def _whole(source: BinaryIO) -> int:
    value = _varint(source)
    return value >> 1 ^ -(value & 1)


def _varint(source: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(source)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("the header of a page can't be read")


def _byte(source: BinaryIO) -> int:
    data = source.read(1)
    if not data:
        raise ValueError("it ends within a page")
    return data[0]
