"""The columns of a board besides its score."""

from __future__ import annotations

import pytest
from making import CHOICES, record, score, training
from scipy import stats

from genkit.ranking.board import rank

FID = "fid[digits-cnn]"


def test_a_baseline_measured_later_for_other_scores_keeps_its_number():
    noise = [record("noise", score(99.0), kind="baseline"), record("noise", score(1.0, name="mse"), kind="baseline")]
    (row,) = rank([*noise, record("a", score(1.0))], score=FID).calibration
    assert row.value == 99.0


def test_a_column_never_mixes_protocols():
    """An importance-weighted bound under another K is another number; it shows no value beside the rest."""

    def bound(value, k):
        return score(value, name="elbo", direction="higher", choices={"likelihood.k": k})

    board = rank(
        [
            record("a", score(1.0), bound(-10.0, 1)),
            record("b", score(2.0), bound(-11.0, 1)),
            record("c", score(3.0), bound(-9.0, 1000)),
        ],
        score=FID,
    )
    assert {row.label: [s.value for s in row.other.values()] for row in board.rows} == {
        "a": [-10.0],
        "b": [-11.0],
        "c": [],
    }
    assert [row.blank for row in board.rows] == [
        {},
        {},
        {"elbo": "measured otherwise than the column (likelihood.k 1000 / 1)"},
    ]


def test_a_row_has_the_columns_of_all_records_of_its_weights():
    """Measuring a run again for less, or at another size, takes no number off the board."""
    trained, count = training(), {**CHOICES, "samples.count": 360}
    full = record("a", score(1.0), score(5.0, name="mse"), trained=trained)
    again = record("a", score(1.1), trained=trained)
    smaller = record("a", score(7.0, choices=count), score(6.0, name="mse"), trained=trained)
    other = [record("b", score(2.0), score(8.0, name="mse"))]
    for later in ([again], [smaller], [again, smaller], [record("a", score(0.5, name="kid"), trained=trained)]):
        board = rank([full, *other, *later], score=FID)
        row = next(row for row in board.rows if row.label == "a")
        assert row.other["mse"].value == (6.0 if smaller in later else 5.0)
        assert row.value == (1.1 if again in later else 1.0)


def test_a_column_over_seeds_is_their_mean():
    records = [
        record("a", score(1.0 + seed), score(value, name="mse"), trained=training(seed=seed))
        for seed, value in enumerate((2.0, 4.0, 9.0))
    ]
    (row,) = rank(records, score=FID).rows
    mse = row.other["mse"]
    low, high = stats.t.interval(0.95, 2, 5.0, stats.sem([2.0, 4.0, 9.0]))
    assert (mse.value, mse.ci_low, mse.ci_high) == (5.0, pytest.approx(low), pytest.approx(high))


def test_columns_of_other_weights_are_not_mixed_in():
    one = record("a", score(1.0), score(5.0, name="mse"), trained=training(checkpoint_sha256="1" * 64))
    two = record("a", score(1.1), trained=training(checkpoint_sha256="2" * 64))
    (row,) = rank([one, two, record("b", score(9.0), score(1.0, name="mse"))], score=FID).rows[:1]
    assert (row.value, row.other) == (1.1, {})


def test_a_blank_column_says_why():
    board = rank(
        [
            record("a", score(1.0), score(5.0, name="mse")),
            record("gan", score(2.0), absent={"mse": "gan does not reconstruct"}),
            record("c", score(3.0)),
        ],
        score=FID,
    )
    assert [row.blank for row in board.rows] == [{}, {"mse": "gan does not reconstruct"}, {"mse": "not measured"}]


def test_a_column_shows_the_protocol_of_models_where_baselines_have_another():
    few = {**CHOICES, "samples.count": 360}
    cgan = record("cgan", score(1.0), score(0.98, name="class_accuracy"))
    real = [
        record(
            name, score(0.9, name="class_accuracy", choices=few), score(7.0, name="psnr", choices=few), kind="baseline"
        )
        for name in ("real test", "blurred", "jpeg")
    ]
    board = rank([cgan, *real], score=FID)
    assert board.rows[0].other["class_accuracy"].value == 0.98
    assert "class_accuracy" in board.calibration[0].blank
    assert board.calibration[0].other["psnr"].value == 7.0
