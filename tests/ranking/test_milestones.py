"""Checkpoints measured before the last one, as a board shows them."""

from __future__ import annotations

import dataclasses

import pytest
from making import CHOICES, record, score, training

from genkit.ranking.board import rank


def ranks(board):
    return {row.label: row.rank for row in board.rows}


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


def test_earlier_checkpoints_are_shown_and_never_ranked():
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


def test_a_seed_without_milestones_counts_with_its_last_checkpoint():
    board = rank([*checkpoints([9.0, 2.0, 5.0]), *checkpoints([9.0, 7.0, 3.0], seed=1, run="bbbb")[-1:]])
    assert (board.rows[0].best_value, board.rows[0].time_to_best) == (pytest.approx(6**0.5), 25.0)


def test_milestones_do_not_replace_another_run_of_the_seed():
    """The seed was trained again without any: those of the older run are left out, with the reason."""
    before = checkpoints([9.0, 2.0, 5.0])
    again = record("a", score(4.0), trained=training(run="cccc", images=300_000, budget="300,000 images"))
    board = rank([*before, again, record("b", score(3.0))])
    assert ranks(board) == {"b": "1-2", "a": "1-2"}
    assert [why for _, why in board.left_out].count("a milestone of a run without a record of its last checkpoint") == 2


def test_milestones_do_not_choose_the_protocol():
    small = {**CHOICES, "samples.count": 100}
    tracked = checkpoints([9.0, 8.0, 7.0, 6.0, 5.0])
    tracked = [
        dataclasses.replace(each, scores=(dataclasses.replace(each.scores[0], choices=small),)) for each in tracked
    ]
    assert set(ranks(rank([record("b", score(1.0)), record("c", score(2.0)), *tracked]))) == {"b", "c"}


def test_a_checkpoint_of_an_unfinished_run_is_a_row():
    board = rank(checkpoints([9.0, 2.0, 5.0])[:1])
    assert [(row.label, row.milestones) for row in board.rows] == [("a", ())]
