from __future__ import annotations

import gc
import weakref

import pytest
from making import record, score

from genkit import leaderboard
from genkit.errors import UnknownName
from genkit.report import text
from genkit.results import store
from genkit.results.jobs import Job, Outcome

KID = "kid[digits-cnn]"


@pytest.fixture
def folder(tmp_path):
    """Records of two models under four scores, on two data sets."""
    for dataset in ("mnist", "digits"):
        for name, value in (("a", 1.0), ("b", 20.0)):
            found = record(
                name,
                score(value),
                score(-value, name=KID),
                score(value, name="latency"),
                score(value, name="fid[digits-cnn]@360"),
                dataset=dataset,
                protocol={"data": {"name": dataset, "sha256": dataset}},
            )
            store.add(tmp_path, found)
    store.add(tmp_path, record("vae", score(1.0, name="mse"), dataset="digits"))
    return tmp_path


def test_there_is_a_board_for_each_score_of_images_that_two_models_have(folder):
    assert [board.score for board in leaderboard(folder, score="fid").boards] == ["fid[digits-cnn]", KID]
    assert [board.score for board in leaderboard(folder, score="kid").boards] == [KID, "fid[digits-cnn]"]


def test_a_score_that_only_baselines_have_has_no_board(folder):
    real = record("real test", score(1.0, name="class_accuracy"), dataset="digits", kind="baseline")
    store.add(folder, real)
    found = leaderboard(folder, dataset="digits", score="fid")
    assert "class_accuracy" in found.board.columns
    assert [board.score for board in found.boards] == ["fid[digits-cnn]", KID]


def test_scores_are_compared_over_the_models_of_the_board(folder):
    found = leaderboard(folder, score="fid")
    assert found.agreement.names == ("fid[digits-cnn]", KID)
    assert [label for label, _ in found.overall({"fid": 1}).rows] == ["a", "b"]


def test_several_data_sets_are_compared_by_average_ranks(folder):
    found = leaderboard(folder, dataset=["digits", "mnist"], score="fid")
    assert found.board.dataset == "digits"
    assert found.across.datasets == ("digits", "mnist")
    assert (found.across.models, found.across.average) == (("a", "b"), (1.0, 2.0))
    assert leaderboard(folder, dataset="digits", score="fid").across is None
    with pytest.raises(UnknownName, match="cifar"):
        leaderboard(folder, dataset=["digits", "cifar"], score="fid")


def test_jobs_that_failed_on_the_data_set_are_told(folder):
    job = Job("gan", "genkit-gans", "1", {}, "digits", 0, 100, 10, {})
    elsewhere = Job("gan", "genkit-gans", "1", {}, "another", 0, 100, 10, {})
    for each in (job, elsewhere):
        Outcome(each, "failed", reason="it diverged").publish(folder / "jobs")
    Outcome(Job("vae", "genkit-vaes", "1", {}, "digits", 0, 100, 10, {}), "done").publish(folder / "jobs")
    found = leaderboard(folder, dataset="digits", score="fid")
    assert [(each.job, each.reason) for each in found.board.failed] == [(job, "it diverged")]


def test_it_prints_as_the_terminal_shows_it_and_as_a_table_in_notebooks(folder):
    found = leaderboard(folder, dataset="digits", score="fid")
    assert repr(found) == text.leaderboard(found.board)
    assert "<table" in found._repr_html_()


def test_nothing_keeps_its_records_alive_for_a_search_for_cycles(folder):
    enabled = gc.isenabled()
    gc.disable()
    try:
        found = leaderboard(folder)
        known = weakref.ref(found.records[0])
        assert known() is not None
        del found
        assert known() is None
    finally:
        if enabled:
            gc.enable()
