"""Entries and their labels."""

from __future__ import annotations

import dataclasses

import pytest
from making import point, record, score, training

from genkit.ranking.board import rank


def ranks(board):
    return {row.label: row.rank for row in board.rows}


def test_one_training_seed_counts_once():
    """A run measured twice, or trained twice from one seed, is no second draw of the training noise."""
    records = [record("a", score(value), trained=training(seed=7)) for value in (3.0, 3.1)]
    board = rank(records)
    (row,) = board.rows
    assert (row.noise, row.seeds, row.value) == ("evaluation", 1, 3.1)
    assert [text for text, _ in board.left_out] == [f"a {records[0].training.run} ({records[0].id})"]
    assert records[1].id in board.left_out[0][1]


def test_entries_of_one_name_have_distinct_labels():
    records = [record("vae", score(value), options={"width": width, "same": 1}) for value, width in ((1, 32), (9, 64))]
    assert ranks(rank(records)) == {"vae (width=32)": "1", "vae (width=64)": "2"}


def test_seeds_drawn_with_other_options_of_their_own_are_two_entries_and_say_which():
    """A value that changes nothing is not stored, but named where it tells entries apart."""
    one = point(training(seed=0), own={"truncation": 0.5}, truncation=0.5)
    other = point(training(seed=1), own={}, value=9)
    assert {row.label for row in rank([one, other]).rows} == {"gpt (truncation=0.5)", "gpt (truncation=1.0)"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"budget": "400,000 images"}, {"budget": "2 minutes"}),
        ({"weights": "ema"}, {"weights": "raw"}),
        ({"batch": 64}, {"batch": 128}),
        ({}, {"precision": "bfloat16"}),
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


def test_another_version_of_a_plugin_is_another_entry_and_no_seed():
    one = record("a", score(1.0), trained=training(seed=0))
    other = record("a", score(9.0), trained=training(seed=1))
    other = dataclasses.replace(other, subject=dataclasses.replace(other.subject, version="2.0"))
    rows = rank([one, other]).rows
    assert [(row.seeds, row.value) for row in rows] == [(1, 1.0), (1, 9.0)]
    assert "version 2.0" in rows[1].label


def test_a_row_has_the_evaluation_part_of_its_error():
    values = [score(3.0, half=1.96), score(5.0, half=1.96), score(7.5, half=1.96 * 2)]
    (row,) = rank([record("a", each, trained=training(seed=seed)) for seed, each in enumerate(values)]).rows
    assert row.evaluation_stderr == pytest.approx((1 + 1 + 4) ** 0.5 / 3)


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
