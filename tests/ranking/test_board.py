from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from making import CHOICES, record, score, training
from scipy import stats

from genkit.errors import MissingError, UnknownName
from genkit.ranking.board import rank
from genkit.ranking.significance import delete_one_covariance
from genkit.report.leaderboard import leaderboard
from genkit.results import store
from genkit.results.records import from_json, to_json

FID = "fid[digits-cnn]"


def ranks(board):
    return {row.label: row.rank for row in board.rows}


def test_clear_differences_rank_and_overlapping_ones_tie():
    board = rank(
        [record("a", score(1.0)), record("b", score(10.0)), record("c", score(10.5)), record("d", score(20.0))]
    )
    assert ranks(board) == {"a": "1", "b": "2-3", "c": "2-3", "d": "4"}


def test_a_score_that_is_better_when_higher_ranks_the_other_way():
    records = [record(name, score(value, name="is", direction="higher")) for name, value in (("a", 1.0), ("b", 9.0))]
    assert ranks(rank(records)) == {"b": "1", "a": "2"}


def test_a_tie_is_not_transitive():
    board = rank([record("a", score(1.0)), record("b", score(2.2)), record("c", score(3.4))])
    assert ranks(board) == {"a": "1-2", "b": "1-3", "c": "2-3"}


def paired(method="mean jackknife", shift=0.3):
    """Two models with the same large noise in the same blocks, a small difference beyond it."""
    shared = np.random.default_rng(0).normal(5, 1.0, 20)
    half = 1.96 * delete_one_covariance([shared], method)[0, 0] ** 0.5
    own = np.random.default_rng(1).normal(0, 0.01, (2, 20))
    values = shared + own + np.array([[0.0], [shift]])
    return [score(float(v.mean()), half=half, method=method, replicates=tuple(v.tolist())) for v in values]


def test_pairing_separates_what_independent_errors_tie():
    one, other = paired()
    assert ranks(rank([record("a", one), record("b", other)])) == {"a": "1", "b": "2"}
    without = [dataclasses.replace(each, replicates=()) for each in (one, other)]
    assert ranks(rank([record("a", without[0]), record("b", without[1])])) == {"a": "1-2", "b": "1-2"}


def test_replicates_pair_only_with_their_own_kind():
    one, other = paired()
    for changes in ({"method": "bootstrap"}, {"replicates": other.replicates[:19]}):
        unlike = dataclasses.replace(other, **changes)
        assert ranks(rank([record("a", one), record("b", unlike)])) == {"a": "1-2", "b": "1-2"}


def seeds_of(name, values):
    return [record(name, score(value), trained=training(seed=seed)) for seed, value in enumerate(values)]


def test_several_seeds_give_a_t_interval_of_training_noise_in_proportion():
    values = [3.0, 5.0, 7.5]
    (row,) = rank(seeds_of("a", values)).rows
    low, high = np.exp(stats.t.interval(0.95, 2, np.mean(np.log(values)), stats.sem(np.log(values))))
    assert (row.noise, row.seeds, row.value) == ("training", 3, pytest.approx(stats.gmean(values)))
    assert (row.ci_low, row.ci_high) == (pytest.approx(low), pytest.approx(high))


def test_intervals_over_seeds_are_of_the_pooled_variance_that_ranks_them():
    groups = {"a": [-1.0, -1.2], "b": [-2.0, -2.6, -2.3], "c": [-9.0]}
    rows = rank([each for name, values in groups.items() for each in seeds_of(name, values)]).rows
    pooled = (np.var(groups["a"], ddof=1) + 2 * np.var(groups["b"], ddof=1)) / 3
    found = {row.label: (row.ci_high - row.ci_low) / 2 for row in rows}
    for name in "ab":
        assert found[name] == pytest.approx(stats.t.ppf(0.975, 3) * (pooled / len(groups[name])) ** 0.5)
    assert found["c"] == pytest.approx(1.0)  # one seed: its own, of evaluation


def test_one_training_seed_counts_once():
    """A run measured twice, or trained twice from one seed, is no second draw of the training noise."""
    records = [record("a", score(value), trained=training(seed=7)) for value in (3.0, 3.1)]
    board = rank(records)
    (row,) = board.rows
    assert (row.noise, row.seeds, row.value) == ("evaluation", 1, 3.1)
    assert [text for text, _ in board.left_out] == [f"a {records[0].training.run} ({records[0].id})"]
    assert records[1].id in board.left_out[0][1]


def test_other_protocols_are_left_out_with_the_choice_that_differs():
    fewer = score(0.1, choices={**CHOICES, "samples.count": 1000})
    board = rank([record("a", score(1.0)), record("b", score(2.0)), record("cheat", fewer)])
    assert ranks(board) == {"a": "1-2", "b": "1-2"}
    ((left, reason),) = board.left_out
    assert left.startswith("cheat ")
    assert reason == "samples.count 1000 / 5000"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "metric version 2 / 1"),
        ({"metric": "frechet"}, "metric frechet / fid"),
        ({"choices": {**CHOICES, "samples.count": 5000.0}}, "samples.count 5000.0 / 5000"),
        ({"choices": {**CHOICES, "samples.new": None}}, "samples.new None / -"),
    ],
)
def test_every_difference_of_fingerprints_has_a_reason(changes, reason):
    board = rank([record("a", score(1.0)), record("b", score(2.0)), record("c", score(0.1, **changes))])
    assert [text for _, text in board.left_out] == [reason]


def test_the_protocol_with_most_entries_is_shown_the_newest_of_equals():
    small = {**CHOICES, "samples.count": 100}
    older = [record(name, score(1.0)) for name in ("a", "b")]
    newer = record("c", score(1.0, choices=small))
    assert set(ranks(rank([*older, newer]))) == {"a", "b"}
    assert set(ranks(rank([*older, newer, record("d", score(1.0, choices=small))]))) == {"c", "d"}


def test_repeats_of_one_model_do_not_make_a_protocol_the_largest():
    small = {**CHOICES, "samples.count": 100}
    repeats = [record("c", score(1.0, choices=small), trained=training(seed=seed)) for seed in range(5)]
    assert set(ranks(rank([record("a", score(1.0)), record("b", score(1.0)), *repeats]))) == {"a", "b"}


def test_scores_that_cannot_be_ranked_are_left_out_with_their_note():
    few = {"rankable": False, "note": "n <= d", "choices": {**CHOICES, "samples.count": 10}}
    board = rank([record("a", score(1.0)), *(record(name, score(0.1, **few)) for name in ("b", "c"))])
    assert ranks(board) == {"a": "1"}
    board = rank([record("a", score(1.0)), record("b", score(0.1, rankable=False, note="n <= d"))])
    assert [reason for _, reason in board.left_out] == ["n <= d"]


def test_baselines_stand_beside_the_ranking_never_in_it():
    noise = record("noise", score(99.0), kind="baseline")
    copycat = record("copycat", score(0.0), kind="baseline")
    board = rank([record("a", score(1.0)), noise, copycat])
    assert ranks(board) == {"a": "1"}
    assert {row.label: row.rank for row in board.calibration} == {"noise": "", "copycat": ""}


def test_a_baseline_measured_later_for_other_scores_keeps_its_number():
    noise = [record("noise", score(99.0), kind="baseline"), record("noise", score(1.0, name="mse"), kind="baseline")]
    (row,) = rank([*noise, record("a", score(1.0))], score=FID).calibration
    assert row.value == 99.0


def test_a_board_of_baselines_alone_is_a_board():
    board = rank([record("noise", score(99.0), kind="baseline")])
    assert board.rows == ()
    assert board.calibration[0].value == 99.0


def test_records_without_the_score_say_why():
    other = score(1.0, name="mse")
    absent = record("gan", other, absent={"fid": "no extractor"})
    board = rank([record("a", score(1.0)), absent, record("b", other)], score=FID)
    assert [reason for _, reason in board.left_out] == ["no extractor", f"has no {FID}"]


def test_entries_of_one_name_say_what_sets_them_apart():
    records = [record("vae", score(value), options={"width": width, "same": 1}) for value, width in ((1, 32), (9, 64))]
    assert ranks(rank(records)) == {"vae (width=32)": "1", "vae (width=64)": "2"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"budget": "400,000 images"}, {"budget": "2 minutes"}),
        ({"weights": "ema"}, {"weights": "raw"}),
        ({"batch": 64}, {"batch": 128}),
        ({}, {"finished": False, "images": 399_000}),
    ],
)
def test_other_training_makes_another_entry(one, other):
    board = rank([record("vae", score(1.0), trained=training(**each)) for each in (one, other)])
    assert len(board.rows) == len({row.label for row in board.rows}) == 2


@pytest.mark.parametrize(
    "options",
    [({"k": 1}, {"k": "1"}), ({"k": 1, "j": 2}, {"k": 1}), ({"k": 1}, {"k": 1.0})],
)
def test_no_row_is_lost_to_an_equal_label(options):
    board = rank([record("vae", score(1.0), options=each) for each in options])
    assert len({row.label for row in board.rows}) == 2


def test_a_model_cannot_hide_behind_the_label_of_another():
    board = rank(
        [
            record("vae", score(1.0), options={"k": 1}),
            record("vae", score(2.0), options={"k": 2}),
            record("vae (k=1)", score(3.0)),
        ]
    )
    assert sorted(row.value for row in board.rows) == [1.0, 2.0, 3.0]
    assert len({row.label for row in board.rows}) == 3


def test_one_name_of_two_distributions_and_kinds_is_two_entries():
    records = [record("vae", score(1.0), dist="a"), record("vae", score(2.0), dist="b")]
    records.append(record("vae", score(3.0), dist="a", kind="images"))
    assert {row.value for row in rank(records).rows} == {1.0, 2.0, 3.0}


def test_a_further_column_never_mixes_fingerprints():
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


def test_a_model_of_one_seed_stands_on_the_noise_that_the_others_show():
    """Its own evaluation is exact, but another seed of it would move as theirs do."""

    def seeds(name, *values):
        return [record(name, score(v, half=1e-6), trained=training(seed=s)) for s, v in enumerate(values)]

    calm = rank([*seeds("a", 1.0, 1.01, 0.99), *seeds("b", 2.0, 2.02, 1.98), *seeds("c", 1.3)])
    assert ranks(calm) == {"a": "1", "c": "2", "b": "3"}
    noisy = rank([*seeds("a", 1.0, 1.5, 0.7), *seeds("b", 2.0, 3.0, 1.4), *seeds("c", 1.3)])
    assert ranks(noisy) == {"a": "1-3", "c": "1-3", "b": "1-3"}


def test_a_further_column_of_several_seeds_is_their_mean():
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


def test_a_record_without_the_score_of_weights_on_the_board_is_not_left_out():
    trained = training()
    records = [record("a", score(1.0), trained=trained), record("a", score(1.0, name="kid"), trained=trained)]
    assert rank(records, score=FID).left_out == ()


def test_by_default_the_newest_record_says_data_and_score():
    old = record("a", score(1.0, name="is"), score(1.0, name="old"), dataset="mnist")
    older = record("c", score(1.0, name="mse"), score(1.0))
    new = record("b", score(1.0), score(2.0, name="mse"))
    board = rank([new, old])
    assert (board.dataset, board.score) == ("digits", FID)
    assert rank([older, new]).score == FID
    assert [reason for _, reason in board.left_out] == ["measured on mnist"]


def test_a_model_measured_later_by_one_other_score_does_not_change_what_ranks():
    quality = [record(name, score(value), score(value, name="kid[digits-cnn]")) for name, value in (("a", 1), ("b", 2))]
    later = record("c", score(0.1, name="mse"), score(9.0, name="latency"))
    assert rank([*quality, later]).score == FID
    at_test_size = record("c", score(1.0, name="fid[digits-cnn]@360"), score(3.0))
    assert rank([*quality, at_test_size]).score == FID
    matched = [record(name, score(1.0, name="fid[mnist-cnn]@10000"), score(2.0, name="kid")) for name in "ab"]
    assert rank(matched).score == "fid[mnist-cnn]@10000"
    unrankable = [record(n, score(1.0, rankable=False), score(2.0, name="kid[digits-cnn]")) for n in "abcd"]
    assert rank(unrankable).score == "kid[digits-cnn]"
    apart = [record(n, score(1.0, choices={"n": n}), score(2.0, name="kid[digits-cnn]")) for n in "abc"]
    assert rank(apart).score == "kid[digits-cnn]"
    fingerprint = apart[0].scores[0].fingerprint
    assert rank(apart, protocol=fingerprint).score == FID
    with pytest.raises(UnknownName, match="no protocol named 'none'"):
        rank(apart, protocol="none")
    costs = [record(name, score(9.0, name="parameters")) for name in "abcd"]
    assert rank([*quality, *costs]).score == FID


def test_a_data_set_with_baselines_only_can_be_asked_for():
    records = [record("a", score(1.0)), record("noise", score(9.0), kind="baseline", dataset="mnist")]
    assert rank(records, dataset="mnist").calibration[0].value == 9.0


def test_unknown_data_and_scores_are_named_with_the_known_ones():
    with pytest.raises(UnknownName, match="no data set named 'digit'. Did you mean 'digits'"):
        rank([record("a", score(1.0))], dataset="digit")
    with pytest.raises(UnknownName, match=r"no score named 'elbo'\..*The records of digits have: fid\[digits-cnn\]"):
        rank([record("a", score(1.0))], score="elbo")
    with pytest.raises(UnknownName, match="no score named 'fdi'. Did you mean 'fid'"):
        rank([record("a", score(1.0))], score="fdi")


def test_a_metric_s_name_stands_for_its_score():
    records = [record("a", score(1.0), score(5.0, name="kid[digits-cnn]"), score(6.0, name="kid[digits-cnn]@360"))]
    assert rank(records, score="kid").score == "kid[digits-cnn]"
    matched = record("b", score(1.0), score(6.0, name="kid[mnist-cnn]@10000"))
    assert rank([matched], score="kid").score == "kid[mnist-cnn]@10000"
    with pytest.raises(UnknownName):
        rank(records, score="ki")


def test_an_empty_store_says_how_to_begin(tmp_path):
    with pytest.raises(MissingError, match="no records yet: genkit eval --model dcgan makes the first"):
        leaderboard(tmp_path)
    with pytest.raises(MissingError, match="no record of digits holds a score"):
        rank([record("a")])


def test_the_board_of_a_folder_is_that_of_its_records_and_names_unreadable_files(tmp_path):
    records = [record("a", score(1.0)), record("b", score(20.0))]
    for each in records:
        path = store.add(tmp_path, each)
    path.with_name("bad.json").write_text("{")
    board = leaderboard(tmp_path).board
    assert ranks(board) == ranks(rank(records)) == ranks(rank([from_json(to_json(r), "x") for r in reversed(records)]))
    assert len(board.problems) == 1


def test_another_version_of_a_plugin_is_another_entry_and_no_seed():
    one = record("a", score(1.0), trained=training(seed=0))
    other = record("a", score(9.0), trained=training(seed=1))
    other = dataclasses.replace(other, subject=dataclasses.replace(other.subject, version="2.0"))
    rows = rank([one, other]).rows
    assert [(row.seeds, row.value) for row in rows] == [(1, 1.0), (1, 9.0)]
    assert "version 2.0" in rows[1].label


def checkpoints(values, *, seed=0, run="aaaa"):
    """Records of one run's checkpoints, the last one finished; 100,000 images and 10 s apart."""
    made = []
    for place, value in enumerate(values, 1):
        at = training(
            seed=seed, run=run, images=100_000 * place, seconds=10.0 * place, finished=place == len(values),
            budget=f"{100_000 * len(values):,} images", checkpoint_sha256=f"{seed}{place}" * 32,
        )  # fmt: skip
        made.append(record("a", score(value), trained=at))
    return made


def test_earlier_checkpoints_stand_beside_the_last_one_and_never_make_the_result():
    board = rank([*checkpoints([9.0, 2.0, 5.0]), record("b", score(3.0))])
    first, second = board.rows
    assert (first.label, second.label, second.value, second.seeds) == ("b", "a", 5.0, 1)
    assert [milestone.value for milestone in second.milestones] == [9.0, 2.0, 5.0]
    assert (second.best_value, second.time_to_best) == (2.0, 20.0)
    assert (first.milestones, first.best_value, first.time_to_best) == ((), None, None)
    assert not board.left_out


def test_the_best_checkpoints_of_several_seeds_are_averaged():
    board = rank([*checkpoints([9.0, 2.0, 5.0]), *checkpoints([9.0, 7.0, 3.0], seed=1, run="bbbb")])
    (row,) = board.rows
    assert (row.seeds, row.time_to_best) == (2, 25.0)
    assert (row.value, row.best_value) == (pytest.approx(15**0.5), pytest.approx(6**0.5))


def test_a_seed_without_checkpoints_on_the_way_counts_with_its_last_in_the_best():
    board = rank([*checkpoints([9.0, 2.0, 5.0]), *checkpoints([9.0, 7.0, 3.0], seed=1, run="bbbb")[-1:]])
    assert (board.rows[0].best_value, board.rows[0].time_to_best) == (pytest.approx(6**0.5), 25.0)


def test_checkpoints_on_the_way_are_never_rivals_of_another_run_of_their_seed():
    """The seed was trained again without any: those of the older run are left out, with the reason."""
    before = checkpoints([9.0, 2.0, 5.0])
    again = record("a", score(4.0), trained=training(run="cccc", images=300_000, budget="300,000 images"))
    board = rank([*before, again, record("b", score(3.0))])
    assert ranks(board) == {"b": "1-2", "a": "1-2"}
    assert [why for _, why in board.left_out].count("a milestone of a run without a record of its last checkpoint") == 2


def test_checkpoints_on_the_way_do_not_choose_the_protocol():
    small = {**CHOICES, "samples.count": 100}
    tracked = checkpoints([9.0, 8.0, 7.0, 6.0, 5.0])
    tracked = [
        dataclasses.replace(each, scores=(dataclasses.replace(each.scores[0], choices=small),)) for each in tracked
    ]
    assert set(ranks(rank([record("b", score(1.0)), record("c", score(2.0)), *tracked]))) == {"b", "c"}


def test_rows_are_in_the_order_that_their_ranks_are_of():
    """One seed of b diverged: its arithmetic mean is above a's, its logarithms are below."""
    steady = [each for place in range(8) for each in seeds_of(f"s{place}", [100.0 + place, 101.0 + place])]
    board = rank([*seeds_of("a", [12.0, 12.1, 11.9, 12.0, 12.0]), *seeds_of("b", [1.0, 1.1, 0.9, 1.0, 60.0]), *steady])
    assert [row.label for row in board.rows[:2]] == ["b", "a"]
    assert board.rows[0].value < board.rows[1].value
    assert (np.triu(board.chances, 1)[np.triu_indices(10, 1)] >= 0.5).all()
    assert board.unequal_noise


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


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
def test_ranks_hold_the_true_order_of_ten_models_in_95_of_100_boards(seeds):
    """Over 1,000 boards; of the two models that are equal hardly ever one is told from the other."""
    rng = np.random.default_rng(seeds)
    truth = np.log(np.array([1.0, 1.0, 1.2, 1.5, 1.6, 2.0, 2.5, 3.0, 4.0, 8.0]))
    runs = [(place, seed, training(seed=seed)) for place in range(10) for seed in range(seeds)]
    held = told = 0
    for _ in range(1000):
        values = np.exp(truth[:, None] + rng.normal(0, 0.15, (10, seeds)))
        board = rank([record(str(p), score(float(values[p, s])), trained=t) for p, s, t in runs])
        rows = {int(row.label): row for row in board.rows}
        held += all(rows[p].best <= max(p + 1, 2) and rows[p].worst >= (p + 1 if p > 1 else 1) for p in rows)
        told += not (rows[0].best == rows[1].best == 1 and rows[0].worst > 1 and rows[1].worst > 1)
    assert held / 1000 >= 0.94
    assert told / 1000 <= 0.06


def test_a_checkpoint_of_an_unfinished_run_is_a_row():
    board = rank(checkpoints([9.0, 2.0, 5.0])[:1])
    assert [(row.label, row.milestones) for row in board.rows] == [("a", ())]


def test_a_row_says_which_part_of_its_noise_measuring_makes():
    values = [score(3.0, half=1.96), score(5.0, half=1.96), score(7.5, half=1.96 * 2)]
    (row,) = rank([record("a", each, trained=training(seed=seed)) for seed, each in enumerate(values)]).rows
    assert row.evaluation_stderr == pytest.approx((1 + 1 + 4) ** 0.5 / 3)


KID = "kid[digits-cnn]"


def copying(fid, kid, latency=0.001):
    return record("copycat", score(fid), score(kid, name=KID), score(latency, name="latency"), kind="baseline")


def test_a_metric_that_copying_wins_is_marked_blind_to_memorisation():
    models = [
        record("a", score(2.0), score(2.0, name=KID), score(5.0, name="latency")),
        record("b", score(3.0), score(9.0, name=KID), score(6.0, name="latency")),
    ]
    assert rank([copying(1.0, 3.0), *models]).blind == (FID,)
    assert rank([copying(2.5, 1.0), *models]).blind == (KID,)
    assert rank([copying(1.0, 1.0), *models]).blind == (FID, KID)
    assert rank(models).blind == ()


def test_chances_are_those_of_student_s_distribution():
    one, other = score(1.0, half=1.96), score(2.0, half=1.96)
    board = rank([record("b", other), record("a", one)])
    assert board.chances[0, 1] == pytest.approx(stats.norm.cdf(1 / 2**0.5))
    assert board.chances + board.chances.T == pytest.approx(np.ones((2, 2)))
    values = {"a": [1.0, 1.2, 1.1], "b": [1.3, 1.5, 1.2]}
    board = rank([record(n, score(v), trained=training(seed=s)) for n, vs in values.items() for s, v in enumerate(vs)])
    expected = stats.ttest_ind(np.log(values["a"]), np.log(values["b"]), alternative="less").pvalue
    assert board.chances[0, 1] == pytest.approx(1 - expected)


def test_chances_of_a_score_that_is_better_when_higher_go_the_other_way():
    board = rank([record(n, score(v, name="is", direction="higher", half=0.5)) for n, v in (("a", 1.0), ("b", 2.0))])
    assert board.rows[0].label == "b"
    assert board.chances[0, 1] > 0.9


def test_models_without_noise_have_chances_too():
    board = rank([record(n, score(v, half=0.0)) for n, v in (("a", 1.0), ("b", 1.0), ("c", 2.0))])
    assert board.chances.tolist() == [[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [0.0, 0.0, 0.5]]


def test_records_under_old_and_new_names_of_an_option_are_one_entry():
    old = {"latent": 8, "discriminator_turns": 5}
    new = {"latent": 8, "d_steps": 5}
    other = {"latent": 8, "d_steps": 1}
    board = rank(
        [
            record("a", score(1.0), options=old, trained=training(seed=0)),
            record("a", score(1.1), options=new, trained=training(seed=1)),
            record("a", score(9.0), options=other, trained=training(seed=0)),
        ]
    )
    assert [(row.label, row.seeds) for row in board.rows] == [("a (d_steps=5)", 2), ("a (d_steps=1)", 1)]
