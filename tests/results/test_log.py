from __future__ import annotations

import pytest

from genkit.results.log import finite, read_log


def test_only_whole_lines_with_the_images_seen_are_read(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"images": 10, "loss": 1.5}\n\n[1]\n{"loss": 2}\n{"images": NaN}\n{"images": 20}\n{"images": 30, "lo'
    )
    assert list(read_log(log)) == [{"images": 10, "loss": 1.5}, {"images": 20}]


def test_no_log_has_no_lines(tmp_path):
    assert list(read_log(tmp_path / "log.jsonl")) == []


@pytest.mark.parametrize(("value", "kept"), [(1, 1), (0.5, 0.5), (float("inf"), None), ("1", None), (None, None)])
def test_what_is_no_finite_number_is_none(value, kept):
    assert finite(value) == kept
