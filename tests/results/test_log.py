from __future__ import annotations

import pytest
from memory import peak

from genkit.results import log as module
from genkit.results.log import finite, read_log


def test_only_whole_lines_with_the_images_seen_are_read(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"images": 10, "loss": 1.5}\n\n[1]\n{"loss": 2}\n{"images": NaN}\n{"images": 20}\n{"images": 30, "lo'
    )
    assert list(read_log(log)) == [{"images": 10, "loss": 1.5}, {"images": 20}]


@pytest.mark.parametrize("limit", ["_LINES", "_BYTES"])
def test_of_a_very_long_log_lines_at_equal_distances_are_read_and_the_last(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, limit, {"_LINES": 4, "_BYTES": 70}[limit])
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"images": {number}}}\n' for number in range(10, 28)))
    assert [line["images"] for line in read_log(path)] == [10, 18, 26, 27]


def test_a_log_of_very_many_lines_takes_little_memory(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"images":1}\n' * 400_000)
    _, taken = peak(lambda: list(read_log(path)))
    assert taken < 60_000_000


def test_a_line_without_measure_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"images": 1}\n{"images": 2, "x": "%s"}\n{"images": 3}\n' % (b"x" * (2 << 20)))
    assert [line["images"] for line in read_log(path)] == [1, 3]


def test_no_log_has_no_lines(tmp_path):
    assert list(read_log(tmp_path / "log.jsonl")) == []


@pytest.mark.parametrize(("value", "kept"), [(1, 1), (0.5, 0.5), (float("inf"), None), ("1", None), (None, None)])
def test_what_is_no_finite_number_is_none(value, kept):
    assert finite(value) == kept
