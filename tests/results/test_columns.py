"""Equal columns are one object, and the first of scores that are called alike counts."""

from __future__ import annotations

from making import record, score

from genkit.results.columns import columns_of

SCORES = (
    ("fid", "one", True, False),
    ("kid", "two", True, True),
    ("fid", "three", True, False),
    ("fid", "one") + (False,) * 2,
)


def test_equal_columns_are_one_object():
    first, second = record("a", score(1.0, name="fid")), record("b", score(2.0, name="fid"))
    assert first.columns is second.columns and first.columns is not record("c", score(1.0, name="kid")).columns
    assert first.columns.scores == (("fid", first.scores[0].fingerprint, True, False),)


def test_the_first_score_of_a_name_counts():
    columns = columns_of(SCORES)
    assert columns.places == {"fid": 0, "kid": 1}
    assert list(columns.protocols.items()) == [(("fid", "one"), 0), (("kid", "two"), 1), (("fid", "three"), 2)]
