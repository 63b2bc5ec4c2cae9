"""Exhibits: the pictures that they say they are, the same each time, and no score or record at their cost."""

from __future__ import annotations

import dataclasses
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from genkit.data import Split
from genkit.data.images import png, quantize
from genkit.errors import GenkitWarning, Interrupted
from genkit.evaluation.closed_form import prepare_stages
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.exhibits import curves, exhibits
from genkit.evaluation.memorization import closest_pairs
from genkit.evaluation.samples import SplitImages
from genkit.metrics import Evidence
from genkit.models.baselines.ppca import PPCA
from genkit.results import store
from genkit.results.records import Subject
from genkit.training.api import train
from genkit.training.runs import make_model


def fitted(name, digits):
    with torch.no_grad():
        return prepare_stages(make_model(name, {}, digits.info()), digits.train)


def measure(name, digits, *metrics, count=300, chunk=250):
    evaluator = Evaluator(digits, EvalConfig(count=count, chunk=chunk, metrics=metrics))
    return evaluator, evaluator.measure(Subject(name), model=fitted(name, digits))


@pytest.fixture(scope="module")
def copycat(digits):
    return measure("copycat", digits, "fid")[1].exhibits


@pytest.fixture(scope="module")
def ppca(digits):
    """Its evaluator too; in small chunks, so that what is drawn again is of several."""
    return measure("ppca", digits, "fid", count=200, chunk=30)


def tiles(sheet, columns, side=8, gap=2):
    """Take a sheet of small images apart: [rows, columns, side, side]."""
    pixels = np.asarray(Image.open(io.BytesIO(sheet)))
    rows = (pixels.shape[0] - gap) // (side + gap)
    assert pixels.shape == (rows * (side + gap) + gap, columns * (side + gap) + gap)
    return pixels[gap:, gap:].reshape(rows, side + gap, columns, side + gap)[:, :side, :, :side].swapaxes(1, 2)


def samples_of(evaluator, name, digits):
    return np.concatenate([chunk.numpy() for chunk in evaluator._samples(fitted(name, digits), None, "").chunks()])


def test_the_samples_are_the_first_that_were_measured(ppca, digits):
    evaluator, measured = ppca
    shown = tiles(measured.exhibits["samples.png"], 8)
    assert shown.shape == (8, 8, 8, 8)
    assert np.array_equal(shown.reshape(64, 8, 8), samples_of(evaluator, "ppca", digits)[:64, 0])


def test_samples_are_drawn_from_the_same_latents_whatever_is_measured(ppca, digits):
    _, other = measure("ppca", digits, "parameters", count=500, chunk=30)
    assert other.exhibits["samples.png"] == ppca[1].exhibits["samples.png"]


def test_a_copycats_samples_are_the_training_images_below_them(copycat):
    facts = json.loads(copycat["memorised.json"])
    assert facts["ratio"] == pytest.approx([0] * 8, abs=1e-3)
    assert facts["extractor"] == "digits-cnn"
    above, below = tiles(copycat["memorised.png"], 8)
    assert np.array_equal(above, below)
    assert len({tile.tobytes() for tile in above}) == 8


def test_the_closest_pairs_are_the_samples_and_training_images_of_their_places(ppca, digits):
    evaluator, measured = ppca
    facts = json.loads(measured.exhibits["memorised.json"])
    assert facts["ratio"] == sorted(facts["ratio"])
    assert facts["ratio"][0] > 0.1
    assert len({place // 30 for place in facts["sample"]}) > 2
    above, below = tiles(measured.exhibits["memorised.png"], 8)
    assert np.array_equal(above, samples_of(evaluator, "ppca", digits)[facts["sample"], 0])
    order = digits.train.order if digits.train.order is not None else np.arange(len(digits.train))
    assert np.array_equal(below, digits.train.uint8(order[facts["training"]])[:, 0])


@pytest.mark.parametrize("name", ["ppca", "real test"])
def test_the_closest_pairs_are_of_as_many_samples_as_there_are_test_images(digits, monkeypatch, name):
    """The minimum over more would be smaller: the row of real images could not be read as a yardstick."""
    looked_at = []

    def watch(training, generated, count):
        looked_at.append(len(generated))
        return closest_pairs(training, generated, count)

    monkeypatch.setattr("genkit.evaluation.exhibits.closest_pairs", watch)
    evaluator = Evaluator(digits, EvalConfig(count=700, chunk=100, metrics=["fid"]))
    what = {"images": digits.test} if name == "real test" else {"model": fitted(name, digits)}
    facts = json.loads(evaluator.measure(Subject(name), **what).exhibits["memorised.json"])
    assert looked_at == [len(digits.test)]
    assert max(facts["sample"]) < 360


def test_reconstructions_stand_below_their_images(ppca, digits):
    above, below = tiles(ppca[1].exhibits["reconstructions.png"], 16)
    places = np.linspace(0, len(digits.test) - 1, 16).round().astype(np.int64)
    assert np.array_equal(above, digits.test.uint8(places)[:, 0])
    again = fitted("ppca", digits).reconstruct(digits.test.images(places)).clamp(0, 1)
    assert np.abs(below.astype(int) - quantize(again).numpy()[:, 0]).max() <= 1
    assert not np.array_equal(above, below)


def test_exhibits_are_the_same_each_time(ppca, digits):
    torch.manual_seed(5)
    assert measure("ppca", digits, "fid", count=200, chunk=30)[1].exhibits == ppca[1].exhibits


def test_reconstructions_by_chance_are_the_same_whatever_is_measured(digits, monkeypatch):
    monkeypatch.setattr(PPCA, "reconstruct", lambda self, images: torch.rand_like(images))
    shown = [measure("ppca", digits, metric)[1].exhibits["reconstructions.png"] for metric in ("fid", "parameters")]
    assert shown[0] == shown[1]


def test_nothing_is_shown_that_was_not_asked_for_or_can_not_be_done(copycat, digits):
    assert set(copycat) == {"samples.png", "memorised.png", "memorised.json"}
    assert set(measure("copycat", digits, "parameters")[1].exhibits) == {"samples.png"}


def test_no_pass_over_the_samples_is_made_for_a_picture(digits, monkeypatch):
    evaluator = Evaluator(digits, EvalConfig(count=1000, chunk=100, metrics=["rfid"]))
    model, drawn = fitted("ppca", digits), []
    sample = model.sample
    monkeypatch.setattr(model, "sample", lambda n, **more: drawn.append(n) or sample(n, **more))
    assert set(evaluator.measure(Subject("ppca"), model=model).exhibits) == {"samples.png", "reconstructions.png"}
    assert drawn == [100]


def test_samples_that_a_metric_needed_are_not_drawn_again(digits, monkeypatch):
    model, drawn = make_model("cgan", {}, digits.info()), []
    sample = model.sample
    monkeypatch.setattr(model, "sample", lambda n, **more: drawn.append(n) or sample(n, **more))

    def shown(*metrics):
        drawn.clear()
        evaluator = Evaluator(digits, EvalConfig(count=200, chunk=50, metrics=metrics))
        return evaluator.measure(Subject("cgan"), model=model).exhibits

    spooled = shown("fid", "cas")
    assert drawn == [50] * 4
    assert shown("fid") == spooled
    assert len(drawn) > 4


def photographs(count, side, seed):
    """Crops of a photograph."""
    photo = load_sample_image("china.jpg")
    place = np.random.default_rng(seed)
    corners = zip(place.integers(0, 427 - side, count), place.integers(0, 640 - side, count), strict=True)
    crops = np.stack([photo[top : top + side, left : left + side] for top, left in corners])
    return Split("test", np.ascontiguousarray(crops.transpose(0, 3, 1, 2)), None, 256)


@pytest.mark.parametrize("side", [128, 256])
def test_pictures_of_photographs_are_few_small_and_below_300_kilobytes(side):
    train, test = photographs(200, side, 0), photographs(80, side, 1)
    samples = photographs(90, side, 2)
    evidence = Evidence.of_arrays(
        extractor=SimpleNamespace(name="random"),
        samples=SplitImages(samples, 90, 30),
        generated=SimpleNamespace(extracted=True, keeps_images=False),
        generated_features=rows(samples),
        reference=SimpleNamespace(samples=SplitImages(train, 200, 30)),
        real_features=rows(train),
        test=test,
        model=PPCA,
        device=torch.device("cpu"),
        reconstruct=lambda images: images,
    )
    shown = exhibits(evidence)
    assert set(shown) == {"samples.png", "memorised.png", "memorised.json", "reconstructions.png"}
    sizes = {name: Image.open(io.BytesIO(each)).size for name, each in shown.items() if name.endswith("png")}
    assert sizes["samples.png"] == (4 * 66 + 2, 3 * 66 + 2)
    assert max(max(size) for size in sizes.values()) <= 800
    assert sum(map(len, shown.values())) < 300_000


def rows(split):
    return np.random.default_rng(len(split)).normal(size=(len(split), 4)).astype(np.float32)


def resized(split, side, channels):
    """Digits at another size, pixel by pixel, and in as many channels."""
    pixels = split.uint8(slice(0, 100)).repeat(side // 8, axis=2).repeat(side // 8, axis=3).repeat(channels, axis=1)
    return Split("resized", pixels, None, 256)


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (8, 3), (16, 3)])
def test_samples_of_another_size_or_colour_stand_above_training_images_of_theirs(digits, side, channels):
    asked = EvalConfig(count=100, metrics=["fid"], features="random-conv")
    evaluator = Evaluator(digits, asked)
    found = evaluator.measure(Subject("resized"), images=resized(digits.train, side, channels)).exhibits
    sheet = Image.open(io.BytesIO(found["memorised.png"]))
    place, *others = json.loads(found["memorised.json"])["training"]
    above, below = tiles(png(np.asarray(sheet.convert("L"))), 1 + len(others), side)
    order = digits.train.order if digits.train.order is not None else np.arange(len(digits.train))
    due = Image.fromarray(digits.train.uint8(order[[place]])[0, 0]).resize((side, side), Image.Resampling.LANCZOS)
    assert np.array_equal(below[0], np.asarray(due))
    assert not np.array_equal(above[0], np.full_like(above[0], above[0, 0, 0]))


def test_grey_samples_stand_above_training_images_in_colour(digits):
    colour = dataclasses.replace(digits, train=resized(digits.train, 8, 3), test=resized(digits.test, 8, 3), whole=None)
    evaluator = Evaluator(colour, EvalConfig(count=100, metrics=["fid"], features="random-conv"))
    found = evaluator.measure(Subject("grey"), images=digits.test).exhibits
    assert Image.open(io.BytesIO(found["memorised.png"])).mode == "RGB"


def test_against_copies_of_one_image_there_are_scores_and_pictures(digits):
    alone = Split("train", digits.train.pixels[[0] * 20], None, digits.levels)
    nothing = Split("test", digits.train.pixels[:0], None, digits.levels)
    reference = dataclasses.replace(digits, train=alone, test=nothing, whole=None, own_splits=False)
    done = compare(digits.test, reference, count=80, metrics=["fid", "vendi"], features="random-conv")
    assert [score.metric for score in done.record.scores] == ["fid", "vendi"]


def test_a_picture_that_can_not_be_drawn_loses_nothing_else(digits, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genkit.evaluation.exhibits.closest_pairs", full)
    with pytest.warns(GenkitWarning, match=r"memorised are not shown: OSError: \[Errno 28\] No space left on device"):
        _, measured = measure("ppca", digits, "fid")
    assert measured.record.score("fid[digits-cnn]") is not None
    assert set(measured.exhibits) == {"samples.png", "reconstructions.png"}


def test_a_model_that_raises_what_stops_genkit_costs_its_picture_alone(digits, monkeypatch):
    def stopped(*arguments):
        raise Interrupted("stopped")

    monkeypatch.setattr(PPCA, "reconstruct", stopped)
    with pytest.warns(GenkitWarning, match="reconstructions are not shown: Interrupted: stopped"):
        _, measured = measure("ppca", digits, "fid")
    assert "reconstructions.png" not in measured.exhibits and "samples.png" in measured.exhibits


def test_no_score_depends_on_what_is_shown(digits, monkeypatch):
    def scores():
        record = measure("ppca", digits, "fid", "kid", "precision", "authpct", "vendi", "mse", "elbo", "nll")[1].record
        return [dataclasses.replace(score, seconds=0.0) for score in record.scores]

    shown = scores()
    monkeypatch.setattr("genkit.evaluation.evaluator.exhibits", lambda evidence: {})
    assert scores() == shown


def test_what_a_training_logged_goes_beside_its_record(digits, tmp_path):
    run = train("vae", digits, images=640, root=tmp_path, device="cpu")
    done = evaluate(run, count=100, metrics=["mse"])
    shown = store.exhibits(run.path, done.record.id)
    assert set(shown) == {"samples.png", "reconstructions.png", "curves.json"}
    document = json.loads(shown["curves.json"])
    assert document["images"][-1] == 640
    assert all(len(values) == len(document["images"]) for values in document["curves"].values())


@pytest.fixture
def log(tmp_path):
    def write(*lines, tail=""):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
        found = curves(path)
        return json.loads(found["curves.json"]) if found else None

    return write


def test_a_long_log_keeps_its_first_and_last_points(log):
    document = log(*({"step": i, "images": 64 * i, "seconds": 0.1, "loss": -i} for i in range(1001)))
    assert len(document["images"]) == 200
    assert (document["images"][0], document["images"][-1]) == (0, 64_000)
    assert document["curves"] == {"loss": [-images // 64 for images in document["images"]]}


def test_what_was_not_logged_is_null(log):
    document = log({"images": 1, "loss": 2.0}, {"images": 2, "r1": float("nan"), "loss": 1.0}, tail='{"images": 3, "lo')
    assert document == {"images": [1, 2], "curves": {"loss": [2.0, 1.0], "r1": [None, None]}}


def test_without_a_log_there_are_no_curves(log, tmp_path):
    assert curves(tmp_path / "none.jsonl") == {}
    assert log() is None
