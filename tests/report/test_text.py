from __future__ import annotations

import pytest
from making import record, score, training

from genkit.ranking import rank
from genkit.report import text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        (0.0, "0"),
        (1.23456, "1.235"),
        (-0.5, "-0.5"),
        (0.001, "0.001"),
        (0.000999, "9.99e-04"),
        (9999.4, "9999"),
        (9999.7, "10,000"),
        (-9999.7, "-10,000"),
        (1234567.8, "1,234,568"),
    ],
)
def test_numbers_have_four_digits_and_no_exponent_for_large_ones(value, written):
    assert text.number(value) == written


def test_tables_are_aligned_without_trailing_space():
    assert text.table([["a", "1", ""], ["long", "10", "x"]], right=(1,), indent=2) == "  a      1\n  long  10  x"
    assert text.table([]) == ""


def test_scores_show_what_is_absent_and_why():
    shown = text.scores(
        record("gan", score(2.5, rankable=False, note="few"), absent={"elbo": "gan has no likelihood bound"})
    )
    first, second = shown.splitlines()
    assert first.split() == ["fid[digits-cnn]", "v", "2.5", "[1.5,", "3.5]", "n", "5,000", "few"]
    assert second.split(maxsplit=2) == ["elbo", "-", "gan has no likelihood bound"]


def board():
    seeds = [record("vae", score(value), trained=training(seed=seed)) for seed, value in enumerate((9.0, 9.5))]
    return rank(
        [
            *seeds,
            record("gan", score(1.0), score(0.5, name="mse")),
            record("real test", score(0.1), kind="baseline"),
            record("noise", score(99.0), kind="baseline"),
        ],
        score="fid[digits-cnn]",
    )


def test_a_board_shows_ranks_seeds_further_columns_and_what_calibrates_it():
    lines = text.leaderboard(board()).splitlines()
    assert lines[0].startswith("digits · fid[digits-cnn], lower is better · protocol ")
    assert lines[0].endswith("up to 2 training seeds")
    assert lines[1].split() == ["rank", "model", "fid[digits-cnn]", "95", "%", "interval", "seeds", "mse"]
    assert lines[2].split() == ["1", "gan", "1", "[0,", "2]", "1", "0.5"]
    assert lines[3].split()[:3] == ["2", "vae", "9.25"]
    assert lines[3].split()[-2:] == ["2", "-"]
    assert [line.split()[-1] for line in lines[4:]] == ["floor", "ceiling"]


def test_a_board_of_single_seeds_says_that_training_noise_is_missing():
    assert "one training seed: ranked by evaluation noise only" in text.leaderboard(rank([record("a", score(1.0))]))
