"""One run at several values of an option of drawing."""

from __future__ import annotations

import json

import pytest

import genkit
from genkit.errors import OptionsError, UsageError
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.reopen import reopen
from genkit.ranking.board import rank
from genkit.results import store

SETTINGS = {"metrics": ["fid", "precision"], "count": 300, "device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A GAN, hardly trained: its samples move with the truncation all the same."""
    return genkit.train("dcgan", "digits", images=640, options={"width": 4}, root=tmp_path_factory.mktemp("runs"))


def test_each_point_is_a_record_and_only_the_runs_own_is_ranked(run):
    done = genkit.sweep(run, {"truncation": [0.3, 1]}, **SETTINGS)
    low, own = (each.record for each in done)
    assert [record.subject.sampling for record in (low, own)] == [{"truncation": 0.3}, {}]
    assert [record.at_own_point for record in (low, own)] == [False, True]
    assert low.scores[0].value != own.scores[0].value
    assert [score.fingerprint for score in low.scores] == [score.fingerprint for score in own.scores]
    board = rank([low, own])
    assert [row.records for row in board.rows] == [(own,)]
    assert board.left_out == (
        (f"dcgan {run.id} ({low.id})", "drawn with truncation=0.3, not with its run's own options"),
    )


def test_drawing_as_the_run_does_keeps_the_record_and_the_key_of_a_model_without_options_of_drawing(run):
    record, path = (done := genkit.evaluate(run, **SETTINGS)).record, done.path
    assert record.at_own_point
    document = json.loads(path.read_text())
    assert "sampling" not in document["subject"] and "sampling" not in document["training"]
    explicit = genkit.evaluate(run, sampling={"truncation": 1}, **SETTINGS).record
    assert explicit.scores[0].value == record.scores[0].value


def test_a_point_that_was_measured_is_not_measured_again(run, monkeypatch):
    first = genkit.sweep(run, {"truncation": [0.6]}, **SETTINGS)
    measured = []
    measure = Evaluator.measure
    monkeypatch.setattr(Evaluator, "measure", lambda self, *a, **k: measured.append(1) or measure(self, *a, **k))
    again = genkit.sweep(run, {"truncation": [0.6, 0.8]}, **SETTINGS)
    assert again[0].path == first[0].path
    assert len(measured) == 1
    assert {0.6, 0.8} <= {each.subject.sampling.get("truncation") for each in store.read(run.path).records}


@pytest.mark.parametrize("values", [{}, {"truncation": []}])
def test_a_sweep_over_nothing_is_refused(run, values):
    with pytest.raises(UsageError, match="guidance=1,1.5,2"):
        genkit.sweep(run, values, **SETTINGS)


def test_a_wrong_value_is_refused_before_anything_is_measured(run, monkeypatch):
    monkeypatch.setattr(Evaluator, "measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(OptionsError, match="truncation = -1"):
        genkit.sweep(run, {"truncation": [0.4, -1]}, **SETTINGS)
    with pytest.raises(OptionsError, match="does not draw with 'guidance'"):
        genkit.sweep(run, {"guidance": [1]}, **SETTINGS)


def test_a_run_trained_with_an_option_of_drawing_has_that_as_its_own_point(tmp_path):
    run = genkit.train("dcgan", "digits", images=320, options={"width": 4, "truncation": 0.5}, root=tmp_path)
    assert run.config.sampling == {"truncation": 0.5}
    assert "truncation" not in run.config.options
    own, other = genkit.sweep(run, {"truncation": [0.5, 1]}, **SETTINGS)
    assert own.record.at_own_point
    assert not other.record.at_own_point
    drawn = [reopen(each.record, each.path, tmp_path, "cpu").model.sampling.truncation for each in (own, other)]
    assert drawn == [0.5, 1]
    (found,) = genkit.explain(own, other, metric="fid")
    assert found.reason == "they are drawn with other options: truncation=0.5 and truncation=1.0"
