"""Ranks, protocols and baselines of a board."""

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


def test_baselines_are_not_ranked():
    noise = record("noise", score(99.0), kind="baseline")
    copycat = record("copycat", score(0.0), kind="baseline")
    board = rank([record("a", score(1.0)), noise, copycat])
    assert ranks(board) == {"a": "1"}
    assert {row.label: row.rank for row in board.calibration} == {"noise": "", "copycat": ""}


def test_a_board_of_baselines_alone_is_a_board():
    board = rank([record("noise", score(99.0), kind="baseline")])
    assert board.rows == ()
    assert board.calibration[0].value == 99.0


def test_records_without_the_score_say_why():
    other = score(1.0, name="mse")
    absent = record("gan", other, absent={"fid": "no extractor"})
    board = rank([record("a", score(1.0)), absent, record("b", other)], score=FID)
    assert [reason for _, reason in board.left_out] == ["no extractor", f"has no {FID}"]


def test_a_model_of_one_seed_stands_on_the_noise_that_the_others_show():
    """Its own evaluation is exact, but another seed of it would move as theirs do."""

    def seeds(name, *values):
        return [record(name, score(v, half=1e-6), trained=training(seed=s)) for s, v in enumerate(values)]

    calm = rank([*seeds("a", 1.0, 1.01, 0.99), *seeds("b", 2.0, 2.02, 1.98), *seeds("c", 1.3)])
    assert ranks(calm) == {"a": "1", "c": "2", "b": "3"}
    noisy = rank([*seeds("a", 1.0, 1.5, 0.7), *seeds("b", 2.0, 3.0, 1.4), *seeds("c", 1.3)])
    assert ranks(noisy) == {"a": "1-3", "c": "1-3", "b": "1-3"}


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


@pytest.mark.parametrize("name", ["a-metric", "zoom[digits-cnn]"])
def test_of_scores_that_rank_as_many_one_of_genkits_own_is_the_default(name):
    own = [record(n, score(value), score(value, name="kid[digits-cnn]")) for n, value in (("a", 1), ("b", 2))]
    first = [record(n, score(value, name=name), score(value)) for n, value in (("a", 1), ("b", 2))]
    later = [record(n, score(value, name=name)) for n, value in (("a", 2), ("b", 1))]
    assert rank(first).score == FID
    assert rank([*own, *later]).score == FID
    assert rank([*own, *later, record("c", score(1.0, name=name))]).score == name
    assert rank(later).score == name


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


def test_rows_are_in_the_order_that_their_ranks_are_of():
    """One seed of b diverged: its arithmetic mean is above a's, its logarithms are below."""
    steady = [each for place in range(8) for each in seeds_of(f"s{place}", [100.0 + place, 101.0 + place])]
    board = rank([*seeds_of("a", [12.0, 12.1, 11.9, 12.0, 12.0]), *seeds_of("b", [1.0, 1.1, 0.9, 1.0, 60.0]), *steady])
    assert [row.label for row in board.rows[:2]] == ["b", "a"]
    assert board.rows[0].value < board.rows[1].value
    assert (np.triu(board.chances, 1)[np.triu_indices(10, 1)] >= 0.5).all()
    assert board.unequal_noise


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
        held += all(rows[p].best_rank <= max(p + 1, 2) and rows[p].worst_rank >= (p + 1 if p > 1 else 1) for p in rows)
        told += not (rows[0].best_rank == rows[1].best_rank == 1 and rows[0].worst_rank > 1 and rows[1].worst_rank > 1)
    assert held / 1000 >= 0.94
    assert told / 1000 <= 0.06


KID = "kid[digits-cnn]"


def copying(fid, kid, latency=0.001):
    return record("copycat", score(fid), score(kid, name=KID), score(latency, name="latency"), kind="baseline")


def test_a_metric_that_copying_wins_is_marked_blind_to_memorisation():
    models = [
        record("a", score(2.0), score(2.0, name=KID), score(5.0, name="latency")),
        record("b", score(3.0), score(9.0, name=KID), score(6.0, name="latency")),
    ]
    assert rank([copying(1.0, 3.0), *models]).blind_to_memorisation == (FID,)
    assert rank([copying(2.5, 1.0), *models]).blind_to_memorisation == (KID,)
    assert rank([copying(1.0, 1.0), *models]).blind_to_memorisation == (FID, KID)
    assert rank(models).blind_to_memorisation == ()


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
