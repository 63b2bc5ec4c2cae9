"""What boards are read against: measured once a protocol, each where it can stand, none at another's cost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from genkit.data import ImageDataset, Split
from genkit.errors import DataError
from genkit.evaluation.calibration import baselines, calibrate, calibration
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator
from genkit.models.baselines.ppca import PPCA
from genkit.registry.discovery import Plugin, registry
from genkit.registry.specs import ModelSpec
from genkit.results import store

REAL, MODELS = ["real test", "jpeg", "blurred"], ["copycat", "ppca", "noise"]


@pytest.fixture(scope="module")
def evaluator(digits):
    return Evaluator(digits, EvalConfig(count=500, metrics=["fid", "kid", "authpct"]))


@pytest.fixture(scope="module")
def calibrated(evaluator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    return folder, {done.record.subject.name: done.record for done in calibrate(evaluator, folder)}


def names(done):
    return [each.record.subject.name for each in done]


def refused(*arguments):
    raise DataError("it is not to be fit")


def test_what_is_there_is_neither_measured_nor_fit_again(evaluator, calibrated, monkeypatch):
    folder, records = calibrated
    monkeypatch.setattr(PPCA, "prepare_stage", lambda *_: pytest.fail("it was fit again"))
    assert list(records) == [*REAL, *MODELS]
    assert calibrate(evaluator, folder) == []
    assert len(store.read(folder).records) == 6


def test_all_are_baselines_and_say_how_they_were_made(calibrated):
    subjects = {name: record.subject for name, record in calibrated[1].items()}
    assert {subject.kind for subject in subjects.values()} == {"baseline"}
    assert subjects["jpeg"].options == {"quality": 10}
    assert subjects["blurred"].options == {"sigma": 0.2857}
    assert subjects["ppca"].options == {"latent": 16}


def test_real_images_corrupted_or_not_are_measured_at_their_own_number(calibrated, digits):
    name = f"fid[digits-cnn]@{len(digits.test)}"
    scores = {subject: record.score(name) for subject, record in calibrated[1].items()}
    assert len({score.fingerprint for score in scores.values()}) == 1
    assert {score.n for score in scores.values()} == {len(digits.test)}
    assert [calibrated[1][each].score("fid[digits-cnn]") for each in REAL] == [None] * 3
    assert [calibrated[1][each].score("fid[digits-cnn]").n for each in MODELS] == [500] * 3
    assert scores["real test"].value < scores["blurred"].value < scores["jpeg"].value < scores["noise"].value


def test_a_copy_is_near_by_distance_and_told_by_authenticity(calibrated):
    def score(subject, metric):
        return calibrated[1][subject].score(f"{metric}[digits-cnn]").value

    assert score("copycat", "fid") < score("noise", "fid") / 50
    assert score("copycat", "fid") < score("ppca", "fid") / 10
    assert score("copycat", "authpct") < 1
    assert score("ppca", "authpct") > 50


def test_exhibits_lie_beside_the_records(calibrated):
    folder, records = calibrated
    assert set(store.exhibits(folder, records["blurred"].id)) == {"samples.png", "memorised.png", "memorised.json"}
    assert "reconstructions.png" in store.exhibits(folder, records["ppca"].id)


def test_one_that_fails_costs_only_itself(digits, tmp_path, monkeypatch):
    evaluator = Evaluator(digits, EvalConfig(count=100, metrics=["kid"]))
    monkeypatch.setattr(PPCA, "prepare_stage", refused)
    assert names(calibrate(evaluator, tmp_path)) == [*REAL, "copycat", "noise"]
    monkeypatch.undo()
    assert names(calibrate(evaluator, tmp_path)) == ["ppca"]


def test_what_can_not_be_measured_of_any_stops_nothing(digits, tmp_path):
    asked = EvalConfig(count=400, metrics=["kid"], protocol="torch-fidelity")
    assert calibrate(Evaluator(digits, asked), tmp_path) == []


def test_one_subject_does_not_stand_for_another(calibrated, digits, tmp_path):
    _, records = calibrated
    fewer = Evaluator(digits, EvalConfig(count=len(digits.test), metrics=["fid", "kid", "authpct"]))
    for record in records.values():
        store.add(tmp_path, record)
    done = calibrate(fewer, tmp_path)
    assert names(done) == MODELS
    same = [score.name for score in done[-1].record.scores]
    assert {"fid[digits-cnn]@360", "kid[digits-cnn]"} <= set(same)
    assert all(records["real test"].score(name).fingerprint == done[-1].record.score(name).fingerprint for name in same)


def test_a_baseline_that_was_made_otherwise_is_measured_anew(calibrated, evaluator, tmp_path):
    for record in calibrated[1].values():
        subject = record.subject
        if subject.name == "jpeg":
            subject = dataclasses.replace(subject, options={"quality": 75})
        store.add(tmp_path, dataclasses.replace(record, subject=subject))
    assert names(calibrate(evaluator, tmp_path)) == ["jpeg"]


def test_what_calibrates_keeps_the_scores_of_every_protocol(digits, tmp_path):
    for count in (400, 500, 400):
        calibrate(Evaluator(digits, EvalConfig(metrics=["fid", "parameters"], count=count)), tmp_path)
    noise = calibration(tmp_path)["noise"].values()
    assert sorted(score.n for score in noise if score.name == "fid[digits-cnn]") == [400, 500]


def test_calibration_survives_a_plugin_with_a_model_named_noise(digits, tmp_path):
    stranger = Plugin("loud", "loud", "1", {ModelSpec: [ModelSpec("noise", "loud:Noise")]})
    registry().plugins.append(stranger)
    try:
        assert len(calibrate(Evaluator(digits, EvalConfig(count=100, metrics=["kid"])), tmp_path)) == 6
    finally:
        registry().plugins.remove(stranger)


@pytest.mark.parametrize(("side", "ppca"), [(4, False), (5, True), (64, True), (65, False)])
def test_ppca_is_fit_to_images_that_it_can_be_fit_to(side, ppca):
    train, test = (Split(name, np.zeros((3, 1, side, side), np.uint8), None) for name in ("train", "test"))
    known = [subject.name for subject, _ in baselines(ImageDataset("zeros", "0" * 64, train, test))]
    assert known == [*REAL, "copycat", *(["ppca"] if ppca else []), "noise"]
