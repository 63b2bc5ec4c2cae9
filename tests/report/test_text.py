"""Plain text of text.py; summary.py is tested in tests/cli/test_leaderboard.py."""

from __future__ import annotations

import dataclasses

import pytest
from making import record, score, training

from genkit.errors import UnknownName
from genkit.ranking.board import rank
from genkit.report import text
from genkit.results.jobs import Job, Outcome


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


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        (92770.4, "92,770"),
        (1234567.0, "1,234,567"),
        (12158136.4, "1.216e+07"),
        (-12158136.4, "-1.216e+07"),
        (3e21, "3e+21"),
    ],
)
def test_in_a_records_table_huge_values_have_four_digits_and_counts_all_of_theirs(value, written):
    assert text.brief(value) == written


def test_tables_are_aligned_without_trailing_space():
    assert text.table([["a", "1", ""], ["long", "10", "x"]], right=(1,), indent=2) == "  a      1\n  long  10  x"
    assert text.table([]) == ""


def test_scores_show_what_is_absent_and_why():
    shown = text.scores(
        record("gan", score(2.5, rankable=False, note="few"), absent={"elbo": "gan has no likelihood bound"})
    )
    names, first, second = shown.splitlines()
    assert names.split() == ["value", "95", "%", "interval", "n"]
    assert first.split() == ["fid[digits-cnn]", "v", "2.5", "[1.5,", "3.5]", "5,000", "few"]
    assert second.split(maxsplit=2) == ["elbo", "-", "gan has no likelihood bound"]


def test_what_is_absent_for_one_reason_is_one_line():
    shown = text.scores(record("gan", absent={"mse": "no encoder", "elbo": "no bound", "psnr": "no encoder"}))
    assert [line.strip() for line in shown.splitlines()] == ["mse, psnr  -  no encoder", "elbo  -  no bound"]


def test_what_calibrates_stands_beside_the_scores_of_its_fingerprint():
    floor = record("real test", score(0.5), score(7.0, name="kid", choices={"samples.count": 1}), kind="baseline")
    known = {"real test": {s.fingerprint: s for s in floor.scores}}
    names, fid, kid = text.scores(record("gan", score(2.5), score(3.0, name="kid")), known).splitlines()
    assert names.split()[-2:] == ["real", "test"]
    assert fid.split()[-1] == "0.5"
    assert kid.split()[-1] == "-"


def test_a_board_shows_the_headline_metrics_or_what_is_asked_for():
    made = rank(
        [record("a", score(1.0), score(2.0, name="mse"), score(3.0, name="vendi[digits-cnn]", metric="vendi"))],
        score="fid[digits-cnn]",
    )
    assert text.columns(made) == ["mse"]
    assert text.columns(made, ["vendi"]) == ["vendi[digits-cnn]"]
    assert text.columns(made, ["fid", "vendi"]) == ["vendi[digits-cnn]"]  # the board's own is there anyway
    assert text.columns(made, ["all"]) == ["mse", "vendi[digits-cnn]"]
    with pytest.raises(UnknownName, match="Did you mean 'mse'"):
        text.columns(made, ["mze"])


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
    assert lines[0].endswith("up to 2 training seeds: ranked by training noise")
    assert lines[1].split() == ["rank", "model", "fid[digits-cnn]", "95", "%", "interval", "seeds", "mse"]
    assert lines[2].split() == ["1", "gan", "1", "[0,", "2]", "1", "0.5"]
    assert lines[3].split()[:3] == ["2", "vae", "9.247"]
    assert lines[3].split()[-2:] == ["2", "-"]
    assert [line.split()[0] for line in lines[4:]] == ["floor", "ceiling"]


def test_where_higher_is_better_real_images_are_the_ceiling():
    made = rank(
        [
            record(name, score(value, name="is", direction="higher"), kind=kind)
            for name, value, kind in (("gan", 5.0, "model"), ("real test", 9.0, "baseline"), ("noise", 1.0, "baseline"))
        ]
    )
    assert [line.split()[0] for line in text.leaderboard(made).splitlines()[3:]] == ["ceiling", "floor"]


def test_columns_that_do_not_fit_follow_below_with_the_names_again():
    made = rank(
        [
            record(name, score(value), *[score(value, name=f"m{i}") for i in range(9)])
            for name, value in (("a", 1.0), ("b", 9.0))
        ],
        score="fid[digits-cnn]",
    )
    whole = text.leaderboard(made, ["all"])
    narrow = text.leaderboard(made, ["all"], width=70)
    table = narrow.split("\n", 1)[1]
    assert max(map(len, table.splitlines())) <= 70
    assert table.count("model") == table.count("  a ") == len(table.split("\n\n")) > 1
    assert set(whole.split()) == set(narrow.split())


def test_a_board_of_single_seeds_says_that_training_noise_is_missing():
    assert "one training seed: ranked by evaluation noise only" in text.leaderboard(rank([record("a", score(1.0))]))


def test_marks_failed_jobs_and_best_checkpoints_stand_with_the_board():
    job = Job("sagan", "genkit-gans", "1", {}, "0", 1, 100, 10, {})
    run = {"run": "aaaa", "budget": "200,000 images"}
    made = rank(
        [
            record("a", score(2.0), trained=training(**run, images=100_000, seconds=10.0, finished=False)),
            record("a", score(5.0), trained=training(**run, images=200_000, seconds=20.0)),
            record("copycat", score(1.0), kind="baseline"),
        ]
    )
    lines = text.leaderboard(
        dataclasses.replace(made, failed=(Outcome(job, "failed", reason="it diverged"),))
    ).splitlines()
    assert lines[1].split()[-5:] == ["best", "checkpoint", "s", "to", "best"]
    assert lines[2].split()[-3:] == ["1", "2", "10"]
    assert lines[2].split()[2] == "5"
    assert [line.strip() for line in lines[4:]] == [
        "failed: sagan, seed 1: it diverged",
        "blind to memorisation (copies of training images beat all models): fid[digits-cnn]",
        "best checkpoint: selected by this score, so not the result; ranks are of the last checkpoint",
    ]


def test_a_matrix_has_its_names_beside_its_rows_and_numbers_above():
    assert (
        text.matrix(["ab", "c"], [["", ".9"], [".1", ""]], numbered=True)
        == "         1   2\n  1 ab      .9\n  2 c   .1"
    )


def test_only_what_lies_beyond_all_models_is_called_a_bound():
    def bounds(**values):
        made = [record(name.replace("_", " "), score(value), kind="baseline") for name, value in values.items()]
        found = rank([record("a", score(2.0)), record("b", score(9.0)), *made])
        return {row.label: text.calibration_role(row, found) for row in found.calibration}

    assert bounds(real_test=1.0, noise=10.0, ppca=0.1) == {"real test": "floor", "noise": "ceiling", "ppca": "baseline"}
    assert bounds(real_test=3.0, noise=8.0) == {"real test": "baseline", "noise": "baseline"}


def test_parts_that_are_no_classes_are_written_below_the_scores():
    parts = {"seen phrasings": 0.975, "colour": 1.0}
    obeyed = score(0.9, name="prompt_accuracy", parts=parts)
    by_class = score(0.9, name="class_accuracy[digits-cnn]", parts={"7": 0.3})
    *_, last = text.scores(record("gpt", obeyed, by_class)).splitlines()
    assert last == "  prompt_accuracy: 0.975 seen phrasings, 1 colour"
