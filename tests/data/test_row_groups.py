"""Parquet files hold what they unpack to, and no more is held in memory than was allowed."""

from __future__ import annotations

import io
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data.containers import FILES

from genkit.data import open_dataset, parquet
from genkit.data.row_groups import TooLarge, page_sizes, read_groups
from genkit.errors import DataError
from genkit.files.reading import entire

MB = 1 << 20
VALUE = random.Random(0).randbytes(MB)


def written(column: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": column}), buffer, **how)
    return buffer.getvalue()


def repeated(value: bytes, rows: int) -> Any:
    return pa.array([value] * rows, pa.binary())


def varint(value: int, length: int = 0) -> bytes:
    """A whole number in Thrift's compact protocol, of at least some bytes."""
    value <<= 1  # zigzag
    found = []
    while value or not found or len(found) < length:
        found.append(value & 127 | 128)
        value >>= 7
    found[-1] &= 127
    return bytes(found)


def lying(column: Any) -> bytes:
    """A file whose footer says that its column unpacks to 100 bytes."""
    data = written(column, compression="zstd", use_dictionary=False)
    true = varint(pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0).total_uncompressed_size)
    assert data.count(true) == 2  # of the column, and of the group
    return data.replace(true, varint(100, len(true)))


BOMBS = {
    "a dictionary": lambda: written(repeated(VALUE, 100), dictionary_pagesize_limit=2 * MB),
    "a prefix": lambda: written(
        repeated(VALUE, 100), use_dictionary=False, column_encoding={"image": "DELTA_BYTE_ARRAY"}
    ),
    "pages": lambda: written(repeated(bytes(MB), 100), compression="zstd", use_dictionary=False),
    "a footer that lies": lambda: lying(repeated(bytes(MB), 100)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_group_of_rows_that_unpacks_to_much_takes_no_more_memory_than_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(BOMBS[kind]())
    assert path.stat().st_size < 3 * MB
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "16")
    pool = pa.system_memory_pool()
    taken = []

    def allocated(*arguments: Any) -> None:
        taken.append(pool.bytes_allocated())
        return read(*arguments)

    from genkit.data import row_groups

    read = row_groups.refuse_large
    monkeypatch.setattr(row_groups, "refuse_large", allocated)
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(DataError, match=r"bytes in one group of rows, .* or raise GENKIT_MAX_MEMORY$"):
            open_dataset(str(path)).train.uint8(slice(0, 1))
    finally:
        pa.set_memory_pool(before)
    assert max(taken) < 16 * MB


HOW = [
    {},
    {"write_statistics": False},
    {"use_dictionary": False},
    {"data_page_version": "2.0"},
    {"data_page_size": 100},
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_headers_of_pages_say_what_they_unpack_to(how: dict[str, Any], compression: str) -> None:
    rows = [*FILES, None, b"", *FILES]
    data = written(pa.array(rows, pa.binary()), compression=compression, row_group_size=9, **how)
    file = pq.ParquetFile(io.BytesIO(data))
    assert file.num_row_groups == 3
    for group in range(3):
        chunk = file.metadata.row_group(group).column(0)
        pages = [*page_sizes(io.BytesIO(data), chunk)]
        headers = chunk.total_uncompressed_size - sum(pages)
        assert pages and 0 < headers < (1000 if how.get("write_statistics", True) else 60) * len(pages)
    assert read_groups(file, io.BytesIO(data), range(3), ["image"]) == {"image": rows}


def test_no_damage_of_a_file_does_more_than_raise() -> None:
    data = written(pa.array(FILES, pa.binary()), compression="zstd")
    file = pq.ParquetFile(io.BytesIO(data))
    chunk = file.metadata.row_group(0).column(0)
    rng = random.Random(0)
    for _ in range(500):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[rng.randrange(4, 80)] = rng.randrange(256)
        try:
            sizes = [*page_sizes(io.BytesIO(damaged), chunk)]
        except ValueError:
            continue
        assert all(size >= 0 for size in sizes)


def test_a_file_that_has_other_rows_than_it_says_contradicts_itself() -> None:
    data = written(pa.array(FILES, pa.binary()))
    file = pq.ParquetFile(io.BytesIO(data))
    chunk = file.metadata.row_group(0).column(0)
    more = SimpleNamespace(num_rows=len(FILES) + 1, num_columns=1, column=lambda index: chunk)
    liar = SimpleNamespace(
        metadata=SimpleNamespace(row_group=lambda index: more),
        iter_batches=file.iter_batches,
    )
    with pytest.raises(ValueError, match="it says 13 rows and has 12"):
        read_groups(liar, io.BytesIO(data), [0], ["image"])


def test_values_of_python_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(pa.array(np.zeros(100_000, np.int64)))
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "1")
    with pytest.raises(TooLarge, match=r"^1,\d{3},\d{3} bytes$"):
        read_groups(pq.ParquetFile(io.BytesIO(data)), io.BytesIO(data), [0], ["image"])
    assert entire() == MB


def test_an_error_keeps_no_values_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a group is kept, to be raised for each of its rows, and with it all frames of its traceback."""
    data = written(pa.array([VALUE] * 30), use_dictionary=True, dictionary_pagesize_limit=1 << 30)
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "20")
    with pytest.raises(TooLarge) as caught:
        read_groups(pq.ParquetFile(io.BytesIO(data)), io.BytesIO(data), [0], ["image"])
    kept = [value for entry in caught.traceback for value in entry.frame.f_locals.values() if isinstance(value, dict)]
    assert kept and not any(isinstance(each, list) and len(each) > 3 for value in kept for each in value.values())


def test_more_rows_than_can_be_listed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(written(repeated(FILES[0], 5000)))
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "1")
    with pytest.raises(DataError, match=r"a\.parquet has 5,000 rows .* divide it, or raise GENKIT_MAX_MEMORY"):
        open_dataset(str(tmp_path / "a.parquet"))


def test_a_group_that_can_not_be_read_is_not_read_once_for_each_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(BOMBS["a dictionary"]())
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "16")
    asked = []
    monkeypatch.setattr(parquet, "read_groups", lambda *given: (asked.append(given[2]), read_groups(*given))[1])
    with pytest.raises(DataError, match="holds no images but 100 bad files"):
        open_dataset(str(path), skip_bad=True)
    assert len(asked) == 1
