"""A score's interval can be cut to what its metric can be."""

from __future__ import annotations

import pytest

from genkit.results.score import Score


@pytest.mark.parametrize(
    ("interval", "ends", "expected"),
    [
        ((0.9, 1.2), {"low": 1.0}, (1.0, 1.2)),
        ((0.9, 1.2), {"high": 1.0}, (0.9, 1.0)),
        ((0.8, 0.9), {"low": 1.0, "high": 2.0}, (1.0, 1.0)),
        ((1.2, 1.3), {"low": 1.0, "high": 2.0}, (1.2, 1.3)),
    ],
)
def test_only_the_interval_is_cut(interval, ends, expected):
    score = Score(1.1, 0.1, *interval, "jackknife", 9, note="kept")
    found = score.within(**ends)
    assert (found.ci_low, found.ci_high) == expected
    assert (found.value, found.stderr, found.note) == (1.1, 0.1, "kept")
