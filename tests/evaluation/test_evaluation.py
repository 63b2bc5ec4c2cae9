"""Evaluation: records hold the protocol, absent metrics their reason.

Tests evaluate, evaluator, config, scoring and samples of genkit.evaluation.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from making import record, score

from genkit.data import Split
from genkit.errors import GenkitError, GenkitWarning, MissingError, UnknownName, UsageError
from genkit.evaluation.closed_form import load_for_evaluation
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate, store_record
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.files.integrity import sha256_file
from genkit.results.records import Subject, from_json
from genkit.training.api import train
from genkit.training.runs import make_model


@pytest.fixture(scope="module")
def evaluator(digits):
    return Evaluator(digits, EvalConfig(count=500))


@pytest.fixture(scope="module")
def noise_record(evaluator, digits):
    return evaluator.measure(Subject("noise", kind="baseline"), model=make_model("noise", {}, digits.info())).record


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
    real = evaluator.measure(Subject("real test", kind="baseline"), images=digits.test).record
    name = f"fid[digits-cnn]@{len(digits.test)}"
    assert real.score(name).fingerprint == noise_record.score(name).fingerprint
    assert real.score(name).value < noise_record.score(name).value / 4


def test_exhibits_that_can_not_be_written_cost_no_record(tmp_path):
    (tmp_path / "exhibits").write_text("a file")
    with pytest.warns(GenkitWarning, match="^the record is kept without its exhibits: "):
        path = store_record(tmp_path, Measurement(record("gan", score(2.5)), {"samples.png": b"picture"}))
    assert from_json(path.read_bytes(), str(path)).score("fid[digits-cnn]").value == 2.5


def test_a_record_that_can_not_be_written_is_still_an_error(tmp_path):
    (tmp_path / "records").write_text("a file")
    with pytest.raises(GenkitError, match="can't be written"):
        store_record(tmp_path, Measurement(record("gan", score(2.5)), {}))


def test_each_choice_moves_the_fingerprint_of_the_scores_that_it_moves(digits, noise_record):
    def measured(**choices):
        other = Evaluator(digits, EvalConfig(**{"count": 500, "metrics": ["fid"], **choices}))
        measured = other.measure(Subject("noise"), model=make_model("noise", {}, digits.info()))
        return measured.record.score("fid[digits-cnn]")

    reference = noise_record.score("fid[digits-cnn]")
    same = measured()
    assert (same.fingerprint, same.value) == (reference.fingerprint, reference.value)
    for choices in ({"count": 400}, {"seed": 1}, {"chunk": 100}):
        assert measured(**choices).fingerprint != reference.fingerprint, choices


def test_a_likelihood_does_not_move_the_fingerprint_of_the_distance(evaluator, digits, noise_record):
    model = make_model("ppca", {}, digits.info())
    protocol = evaluator.protocol(500, model)
    assert protocol.likelihood["observation"]
    same = evaluator.protocol(500, model, evaluator.extractors[0])
    assert protocol.likelihood == same.likelihood
    assert same.choices("fid", ("data", "samples", "features")) == noise_record.score("fid[digits-cnn]").choices


def test_the_checkpoint_of_another_run_is_refused(digits, tmp_path):
    one, other = (train("ppca", digits, root=tmp_path / name) for name in "ab")
    with pytest.raises(UsageError, match="is not one of run"):
        evaluate(one, EvalConfig(count=400), checkpoint=other.newest_checkpoint())


def test_images_in_the_order_of_their_classes_are_measured_at_the_size_of_the_test_split_too(digits):
    order = np.argsort(digits.train.labels, kind="stable")
    split = Split("train", digits.train.pixels[order], digits.train.labels[order], digits.levels)
    record = compare(split, digits, EvalConfig(count=len(order), metrics=["fid"])).record
    assert record.score("fid[digits-cnn]").value == pytest.approx(0, abs=1e-6)
    assert record.score("fid[digits-cnn]@360").value < 1.5


def test_several_extractors_stand_side_by_side(digits):
    asked = EvalConfig(count=400, metrics=["fid", "is"], features=["digits-cnn", "pixels"])
    record = compare(digits.test, digits, asked).record
    assert {score.name for score in record.scores} == {
        "fid[digits-cnn]@360",
        "is[digits-cnn]",
        "fid[pixels]@360",
    }
    assert record.absent["is[pixels]"] == "pixels has no logits"
    choices = {score.name: score.choices["features.extractor"] for score in record.scores}
    assert choices["fid[pixels]@360"] == "pixels"


def test_a_preset_changes_the_choices_and_with_them_the_fingerprint(digits):
    def measured(preset):
        asked = EvalConfig(count=360, metrics=["fid", "mifid"], protocol=preset)
        return compare(digits.test, digits, asked).record

    ours, theirs = measured("genkit"), measured("stylegan3")
    assert ours.score("fid[digits-cnn]@360").choices["parameters.ddof"] == 1
    assert theirs.score("fid[digits-cnn]@360").choices["parameters.ddof"] == 0
    assert ours.score("fid[digits-cnn]@360").value != theirs.score("fid[digits-cnn]@360").value
    assert ours.score("mifid[digits-cnn]").fingerprint == theirs.score("mifid[digits-cnn]").fingerprint


def test_evaluate_writes_a_record_that_names_the_checkpoint(digits, tmp_path, monkeypatch):
    run = train("ppca", digits, root=tmp_path)
    done = evaluate(run, evaluator=Evaluator(digits, EvalConfig(count=400)))
    record = from_json(done.path.read_bytes(), "record")
    assert done.path.parent == run.path / "records"
    assert record == done.record
    assert record.training.checkpoint_sha256 == sha256_file(run.newest_checkpoint())
    assert record.training.finished
    assert record.score("mse").value < 0.02
    assert record.score("elbo").unit == "nats"


def test_how_to_measure_is_said_by_fields_or_whole(digits, tmp_path):
    run = train("ppca", digits, root=tmp_path)
    brief = evaluate(run, count=400, metrics=["fid"])
    assert next((score.name, score.n) for score in brief.record.scores) == ("fid[digits-cnn]", 400)
    assert "fid[digits-cnn]" in repr(brief)
    assert len(repr(brief)) < 500
    with pytest.raises(UnknownName, match="Did you mean 'count'"):
        evaluate(run, counts=400)
    with pytest.raises(UsageError, match="count: set it in the EvalConfig"):
        evaluate(run, EvalConfig(), count=400)


def test_two_sets_of_images_are_measured_with_no_model(digits):
    done = compare(digits.test, digits, name="test")
    assert done.path is None
    assert done.record.score("fid[digits-cnn]@360").n == len(digits.test)
    of_models = ("mse", "elbo", "kl", "ppl", "parameters", "latency", "train_seconds", "active_units")
    assert {done.record.absent[name] for name in of_models[1:]} == {"test is a set of images, and no model"}
    assert done.record.absent["mse"] == "the images are not paired with their truths: --paired does so"
    assert sum("no model" in line for line in repr(done).splitlines()) == 1


def test_evaluation_leaves_the_global_generator_alone(evaluator, digits):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info()))
    assert torch.equal(state, torch.get_rng_state())


def test_a_choice_goes_to_the_one_extractor_that_offers_it(digits):
    with pytest.raises(UsageError, match="random-conv has no choice 'resize'"):
        Evaluator(digits, EvalConfig(metrics=["fid"], features="random-conv", choices={"resize": "bilinear"}))
    with pytest.raises(
        UsageError, match=r"^protocol clean-fid sets resize=pil-bicubic, which random-conv does not have"
    ):
        Evaluator(digits, EvalConfig(metrics=["fid"], features="random-conv", protocol="clean-fid"))
    with pytest.raises(UsageError, match="a choice goes with one extractor"):
        EvalConfig(features=["inception", "pixels"], choices={"resize": "bilinear"})


def test_unknown_metrics_and_too_few_samples_are_refused(digits):
    with pytest.raises(UnknownName, match="Did you mean 'fid'"):
        Evaluator(digits, EvalConfig(metrics=["fidd"]))
    with pytest.raises(UsageError, match="two samples"):
        EvalConfig(count=1)


def test_what_one_metric_can_not_measure_loses_no_other(digits):
    asked = EvalConfig(count=400, metrics=["fid", "kid"], protocol="torch-fidelity")
    evaluator = Evaluator(digits, asked)
    record = evaluator.measure(Subject("noise"), model=make_model("noise", {}, digits.info())).record
    assert "need as many of each set" in record.absent["kid[digits-cnn]"]
    assert record.score("fid[digits-cnn]") is not None


def test_few_images_are_measured_by_what_can_measure_them(digits):
    few = Split("few", digits.test.pixels[:6], None, digits.levels)
    record = compare(few, digits, EvalConfig(count=6)).record
    assert record.score("fid[digits-cnn]").n == 6
    assert "between 1 and the 6 rows" in record.absent["is[digits-cnn]"]


def test_a_run_whose_newest_checkpoint_is_replaced_while_it_is_opened_is_measured_by_the_next(
    digits, tmp_path, monkeypatch
):
    run = train("ppca", digits, root=tmp_path)
    newest, opened = run.newest_checkpoint(), load_for_evaluation

    def rotated(run, path, *arguments, **options):
        model = opened(run, path, *arguments, **options)
        if path == newest:  # before its hash is taken
            path.rename(path.with_name("step-000000999.safetensors"))
        return model

    monkeypatch.setattr("genkit.evaluation.evaluate.load_for_evaluation", rotated)
    done = evaluate(run, count=400, metrics=["fid"])
    assert done.record.training.checkpoint_sha256 == sha256_file(newest.with_name("step-000000999.safetensors"))
    with pytest.raises(MissingError):
        evaluate(run, count=400, metrics=["fid"], checkpoint=newest)
