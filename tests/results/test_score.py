"""A score's interval can be cut to what its metric can be."""

from __future__ import annotations

import pytest

from genkit.results.score import Score


@pytest.mark.parametrize(
    ("interval", "ends", "expected"),
    [
        ((0.9, 1.2), {"low": 1.0}, (1.0, 1.2)),
        ((0.9, 1.2), {"high": 1.15}, (0.9, 1.15)),
        ((0.9, 1.3), {"low": 1.0, "high": 1.2}, (1.0, 1.2)),
        ((0.9, 1.3), {"low": 1.1 + 1e-12}, (1.1, 1.3)),
        ((0.9, 1.3), {"high": 1.1 - 1e-12}, (0.9, 1.1)),
    ],
    ids=["low", "high", "both", "the value is rounded below the range", "the value is rounded above the range"],
)
def test_only_the_interval_is_cut_and_holds_the_value(interval, ends, expected):
    score = Score(1.1, 0.1, *interval, "jackknife", 9, note="kept")
    found = score.within(**ends)
    assert (found.ci_low, found.ci_high) == expected
    assert (found.value, found.stderr, found.note) == (1.1, 0.1, "kept")
