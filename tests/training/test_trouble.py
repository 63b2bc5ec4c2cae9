"""A training that collapsed or diverged is noticed, and a sound one is not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

import genkit
from genkit.data import Split
from genkit.training import checkpoint, trouble
from genkit.training.api import resume
from genkit.training.runs import find_run
from genkit.training.trouble import Trouble, different, huge


def test_different_images_are_counted():
    """Far images count one each, copies together one; of unequal shares p it is 1 / sum of p^2."""
    far = torch.eye(8).view(8, 1, 2, 4) * 100
    assert different(far, 1.0) == pytest.approx(8)
    assert different(far[:1].repeat(5, 1, 1, 1), 1.0) == pytest.approx(1)
    assert different(far[[0, 0, 0, 1]], 1.0) == pytest.approx(1 / (0.75**2 + 0.25**2))


def test_sound_samples_are_not_blamed(digits):
    trouble = Trouble(digits.train, 100, 0)
    assert trouble.found(digits.test.images(slice(0, 100))) == ""
    blurred = digits.test.images(slice(0, 100)) * 0.5 + 0.25
    assert trouble.found(blurred) == ""


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(100, 1, 8, 8), "100 samples count as 1.0 different images"),
        (torch.full((100, 1, 8, 8), 0.3), "count as 1.0 different images"),
        (torch.rand(1, 1, 8, 8).repeat(100, 1, 1, 1), "count as 1.0 different images"),
        (torch.rand(100, 1, 8, 8).round(), "100% of the samples' pixels are black or white"),
        (torch.full((100, 1, 8, 8), float("nan")), "not finite"),
        (torch.linspace(-1, 1, 6400).view(100, 1, 8, 8), "samples have values from -1 to 1, outside [0, 1]"),
    ],
    ids=["black", "grey", "one image", "black and white", "nan", "signed"],
)
def test_collapsed_and_diverged_samples_are(digits, samples, message):
    assert message in Trouble(digits.train, 100, 0).found(samples)


def test_a_conditional_model_that_draws_one_image_of_each_class_has_collapsed(digits):
    ten = digits.test.images(np.array([np.flatnonzero(digits.test.labels == label)[0] for label in range(10)]))
    assert "different images" in Trouble(digits.train, 100, 10).found(ten.repeat(10, 1, 1, 1))


def test_data_that_is_black_and_white_or_of_few_images_is_no_trouble():
    pixels = (np.random.default_rng(0).random((200, 1, 8, 8)) > 0.5).astype(np.uint8) * 255
    for split in (Split("train", pixels, None), Split("train", pixels[:3], None), Split("train", pixels[:1], None)):
        assert Trouble(split, 100, 0).found(split.images(slice(0, 100))) == ""


def test_huge_means_are_named():
    assert huge({"generator": -2.4e12, "logits": 3.0}) == "generator is -2.4e+12: the model has diverged"
    assert huge({"loss": 1e6, "lost": float("nan")}) == ""


def test_a_collapsed_run_is_noticed_and_not_changed(digits, tmp_path, caplog, monkeypatch):
    events = []
    arguments = {"images": 3200, "root": tmp_path, "device": "cpu", "options": {"learning_rate": 1e5, "width": 8}}
    with caplog.at_level(logging.WARNING):
        run = genkit.train("dcgan", digits, on_event=events.append, **arguments)
    (said,) = [record.message for record in caplog.records]
    assert "the model has diverged; try a smaller learning rate in a new run, e.g. -o learning_rate=0.001" in said
    (warned,) = [event["reason"] for event in events if event["kind"] == "warning"]
    assert warned in said
    assert "the model has diverged" in find_run(tmp_path, run.id).status.warning
    caplog.clear()
    genkit.evaluate(run, count=100, metrics=["vendi"], features="pixels")
    assert any("as training found" in record.message for record in caplog.records)
    monkeypatch.setattr("genkit.training.monitor.Monitor._examine", lambda self, samples: None)
    other = genkit.train("dcgan", digits, **arguments)
    one, two = (checkpoint.load(each.newest_checkpoint())[0] for each in (run, other))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(("little", "told"), [(0, True), (10_000, False)])
def test_a_run_that_has_hardly_been_trained_is_not_told_to_learn_more_slowly(
    digits, tmp_path, caplog, monkeypatch, little, told
):
    monkeypatch.setattr("genkit.training.monitor.LITTLE", little)
    monkeypatch.setattr(Trouble, "found", lambda *_: f"the model has collapsed, or {trouble.YOUNG}")
    with caplog.at_level(logging.WARNING):
        genkit.train("dcgan", digits, images=640, root=tmp_path, device="cpu", options={"width": 8})
    (said,) = [record.message for record in caplog.records]
    assert trouble.YOUNG in said and ("smaller learning rate" in said) is told


def test_a_sound_run_has_no_warning_and_old_statuses_are_read(digits, tmp_path, caplog):
    run = genkit.train("ppca", digits, root=tmp_path)
    assert run.status.warning == "" and not caplog.records
    (run.path / "status.json").write_text('{"state": "finished", "images": 0, "seconds": 1.0}')
    assert resume(run).status.warning == ""


def test_large_images_are_compared_at_a_smaller_size():
    images = torch.rand(3, 1, 64, 64)
    assert torch.equal(trouble.small(images), images)
    large = images.repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.testing.assert_close(trouble.small(large), images)
