"""Evaluation: records hold the protocol, absent metrics their reason, boards their calibration."""

from __future__ import annotations

import pytest
import torch

import genkit
from genkit import store
from genkit.errors import UnknownName, UsageError
from genkit.evaluation import Evaluator, Measuring, calibrate, evaluate, evaluate_images
from genkit.records import Subject, from_json
from genkit.runs import make_model
from genkit.training import train


@pytest.fixture(scope="module")
def evaluator(digits):
    return Evaluator(digits, Measuring(count=500))


@pytest.fixture(scope="module")
def noise_record(evaluator, digits):
    return evaluator.measure(Subject("noise", kind="baseline"), model=make_model("noise", {}, digits.info()))


def test_what_a_model_lacks_is_absent_with_a_reason_and_never_zero(noise_record):
    assert noise_record.absent["mse"] == "noise does not reconstruct"
    assert noise_record.absent["elbo"] == "noise has no likelihood bound"
    assert noise_record.score("mse") is None


def test_a_frechet_distance_of_another_extractor_is_never_plain_fid(noise_record):
    assert noise_record.score("fid") is None
    assert noise_record.score("fid[digits-cnn]").n == 500


def test_the_distance_is_also_measured_at_the_size_of_the_test_split(noise_record, digits):
    at = noise_record.score(f"fid[digits-cnn]@{len(digits.test)}")
    whole = noise_record.score("fid[digits-cnn]")
    assert at.choices["samples.count"] == len(digits.test)
    assert at.fingerprint != whole.fingerprint


def test_real_images_share_the_fingerprint_of_samples_of_the_same_number(evaluator, digits, noise_record):
    real = evaluator.measure(Subject("real test", kind="baseline"), images=digits.test)
    name = f"fid[digits-cnn]@{len(digits.test)}"
    assert real.score(name).fingerprint == noise_record.score(name).fingerprint
    assert real.score(name).value < noise_record.score(name).value / 4


def test_each_choice_moves_the_fingerprint_of_the_scores_that_it_moves(digits, noise_record):
    def measured(**choices):
        other = Evaluator(digits, Measuring(**{"count": 500, "metrics": ["fid"], **choices}))
        return other.measure(Subject("noise"), model=make_model("noise", {}, digits.info())).score("fid[digits-cnn]")

    reference = noise_record.score("fid[digits-cnn]")
    same = measured()
    assert (same.fingerprint, same.value) == (reference.fingerprint, reference.value)
    for choices in ({"count": 400}, {"seed": 1}, {"chunk": 100}):
        assert measured(**choices).fingerprint != reference.fingerprint, choices


def test_a_likelihood_does_not_move_the_fingerprint_of_the_distance(evaluator, digits, noise_record):
    model = make_model("ppca", {}, digits.info())
    protocol = evaluator.protocol(500, model)
    assert protocol.likelihood["observation"]
    assert protocol.choices(("data", "samples", "features")) == noise_record.score("fid[digits-cnn]").choices


def test_calibration_is_measured_once_a_protocol(evaluator, tmp_path):
    first = calibrate(evaluator, tmp_path)
    assert [done.record.subject.name for done in first] == ["real test", "noise"]
    assert calibrate(evaluator, tmp_path) == []
    assert len(store.read(tmp_path).records) == 2


def test_evaluate_writes_a_record_that_names_the_checkpoint(digits, tmp_path, monkeypatch):
    run = train("ppca", digits, root=tmp_path)
    done = evaluate(run, evaluator=Evaluator(digits, Measuring(count=400)))
    record = from_json(done.path.read_bytes(), "record")
    assert done.path.parent == run.path / "records"
    assert record == done.record
    assert record.training.checkpoint_sha256 == genkit.evaluation.sha256_file(run.newest_checkpoint())
    assert record.training.finished
    assert record.score("mse").value < 0.02
    assert record.score("elbo").unit == "nats"


def test_two_sets_of_images_are_measured_with_no_model(digits):
    done = evaluate_images(digits.test, digits, name="test")
    assert done.path is None
    assert done.record.score("fid[digits-cnn]").n == len(digits.test)
    assert done.record.absent["mse"] == "test does not reconstruct"


def test_evaluation_leaves_the_global_generator_alone(evaluator, digits):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info()))
    assert torch.equal(state, torch.get_rng_state())


def test_unknown_metrics_and_too_few_samples_are_refused(digits):
    with pytest.raises(UnknownName, match="Did you mean 'fid'"):
        Evaluator(digits, Measuring(metrics=["fidd"]))
    with pytest.raises(UsageError, match="two samples"):
        Measuring(count=1)
