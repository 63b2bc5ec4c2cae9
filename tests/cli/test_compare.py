"""genkit compare: two sets of images and no model."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from backbones import put_random_backbones
from PIL import Image

from genkit.features import load_extractor
from genkit.metrics import FeatureStatistics, frechet_distance
from genkit.metrics.numerics.perceptual import ALEX, similarity


def test_two_folders_of_images_are_compared_with_no_model(genkit, photos):
    photos("a", 80)
    photos("b", 80, 120)
    result = genkit("compare", "a", "folder:b", "--features", "digits-cnn")
    assert result.code == 0, result.err
    assert "fid[digits-cnn]" in result.out
    same = genkit("compare", "a", "a", "--features", "digits-cnn", "--json", "--metrics", "fid")
    assert same.code == 0, same.err
    Path("genkit.toml").write_text("[compare]\ncount = 70\nmetrics = ['fid']")
    fewer = genkit("compare", "a", "b", "--features", "digits-cnn", "--json")
    assert json.loads(fewer.out)["protocol"]["samples"]["count"] == 70


def test_how_images_are_packed_changes_no_score_and_is_in_no_record(genkit, photos):
    photos("a", 40)
    photos("b", 40, 120)
    how = ("compare", "a", "b", "--features", "random-conv", "--metrics", "fid", "--json")
    one, other = (json.loads(genkit(*how, *pack).out) for pack in ((), ("--pack", "encoded")))
    assert one["subject"] == other["subject"] and "pack" not in other["subject"]["options"]["opening"]
    assert one["scores"][0]["value"] == other["scores"][0]["value"]


def test_after_ctrl_c_the_same_command_goes_on_as_is_said(genkit, photos, monkeypatch):
    from genkit.features.extractor import Extractor

    seen, extract = [], Extractor.__call__

    def interrupted(self, images, *tick):
        if len(seen) == 1:
            seen.append(0)
            signal.raise_signal(signal.SIGTERM)
        seen.append(len(images))
        return extract(self, images, *tick)

    photos("a", 300)
    monkeypatch.setattr(Extractor, "__call__", interrupted)
    command = ("compare", "a", "a", "--features", "random-conv", "--metrics", "kid")
    stopped = genkit(*command)
    assert stopped.code == 130
    assert stopped.err.endswith("stopped; the same command resumes where it stopped\n")
    assert genkit(*command).code == 0
    assert seen == [250, 0, 50, 250, 50]


def test_copies_of_one_image_are_samples_too(genkit, photos):
    photos("real", 80)
    Path("copies").mkdir()
    for index in range(30):
        shutil.copy("real/0.png", f"copies/{index}.png")
    how = ("--features", "random-conv", "--metrics", "fid,vendi", "--json")
    collapsed = genkit("compare", "copies", "real", *how)
    assert collapsed.code == 0, collapsed.err
    scores = {score["metric"]: score for score in json.loads(collapsed.out)["scores"]}
    assert scores["vendi"]["value"] == pytest.approx(1)
    against = genkit("compare", "real", "copies", *how)
    assert against.code == 0, against.err


@pytest.mark.parametrize(("samples", "reference"), [("one", "real"), ("real", "one")])
def test_a_single_image_is_refused_before_anything_is_extracted(genkit, photos, monkeypatch, samples, reference):
    photos("real", 20)
    photos("one", 1)
    monkeypatch.setattr("genkit.features.extractor.Extractor.__call__", lambda *_: pytest.fail("features of nothing"))
    how = ("--features", "random-conv", "--metrics", "fid")
    refused = genkit("compare", samples, reference, *how)
    assert refused.code == 1
    assert "one holds a single image: at least 3 are needed to compare sets, for most metrics more" in refused.err


def test_images_of_which_nothing_asked_for_can_be_measured_leave_no_record(genkit, photos):
    photos("a", 20)
    refused = genkit("compare", "a", "a", "--metrics", "mse,elbo")
    assert refused.code == 1
    assert "no requested metric can be computed for a (mse: the images are not paired" in refused.err
    assert "elbo: a is a set of images, and no model)" in refused.err
    assert not list(Path().glob("**/records/*.json"))


def test_images_of_other_shapes_than_the_reference_are_said_to_be_so(genkit, photos):
    photos("a", 20)
    how = ("--features", "random-conv", "--metrics", "kid")
    assert "channels x height x width" not in genkit("compare", "a", "a", *how).err
    np.savez("colour.npz", images=np.random.default_rng(0).integers(0, 256, (20, 9, 8, 3), dtype=np.uint8))
    other = genkit("compare", "colour.npz", "a", *how)
    assert "is 3x9x8 and " in other.err
    words = "(channels x height x width), grey read as three equal channels: random-conv keeps sizes"
    assert f" 1x8x8 {words}" in other.err
    np.savez("tall.npz", images=np.random.default_rng(0).integers(0, 256, (20, 9, 8), dtype=np.uint8))
    assert "width): random-conv keeps sizes" in genkit("compare", "tall.npz", "a", *how).err
    refused = genkit("compare", "colour.npz", "digits", "--metrics", "kid")
    assert (refused.code, "keeps sizes" in refused.err) == (2, False)


def test_a_protocol_reads_files_as_its_package_and_explain_knows_how_they_were_read(genkit):
    Path("a").mkdir()
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8 + index % 2, 4), np.uint8)
        Image.fromarray(pixels).save(f"a/{index}.png")
    how = ("--features", "random-conv", "--metrics", "fid", "--json")
    own = genkit("compare", "a", "a", *how, "--protocol", "torch-fidelity")
    assert own.code == 0, own.err
    assert "12 images up to 8x9 RGB" in own.err
    assert "the images have several sizes, and features are made of each at its own" in own.err
    assert "own number may differ" not in own.err
    resized = genkit("compare", "a", "a", *how, "--protocol", "torch-fidelity", "--size", "8")
    assert "a: resized to 8x8, unlike in torch-fidelity, whose own number may differ" in resized.err
    Path("one.json").write_text(resized.out)
    Path("two.json").write_text(own.out)
    explained = genkit("explain", "one.json", "two.json")
    assert explained.code == 0, explained.err
    assert "opening  size=8, decoding=rgb  ->  decoding=rgb" in explained.out
    refused = genkit("compare", "a", "a", *how)
    assert "a has images of different sizes" in refused.err


def scores_of(result):
    assert result.code == 0, result.err
    return {score["name"]: score for score in json.loads(result.out)["scores"]}


@pytest.fixture
def as_inception(monkeypatch):
    """random-conv under Inception's name, which needs no weights."""

    def load(name, **how):
        extractor = load_extractor("random-conv")
        extractor.name = name
        return extractor

    monkeypatch.setattr("genkit.evaluation.evaluator.load_extractor", load)
    return load("inception")


def test_guided_diffusions_file_gives_fid_from_its_statistics_and_the_rest_from_its_images(genkit, as_inception):
    rng = np.random.default_rng(0)
    images, samples = (rng.integers(0, high, (60, 8, 8, 3), dtype=np.uint8) for high in (256, 200))
    whole = rng.normal(size=(500, as_inception.dim))
    mean, covariance = whole.mean(0), np.cov(whole, rowvar=False)
    spatial = {"mu_s": np.zeros(7), "sigma_s": np.eye(7)}
    np.savez("reference.npz", images, mu=mean, sigma=covariance, more=np.zeros(3), **spatial)
    np.savez("samples.npz", samples)
    np.savez("plain.npz", images)
    how = ("--metrics", "fid,precision", "--json")
    both = genkit("compare", "samples.npz", "reference.npz", *how)
    rows = as_inception(torch.from_numpy(samples.transpose(0, 3, 1, 2))).features.numpy()
    expected = frechet_distance(FeatureStatistics(mean, covariance), rows).value
    assert scores_of(both)["fid"]["value"] == pytest.approx(expected, rel=1e-9)
    plain = scores_of(genkit("compare", "samples.npz", "plain.npz", *how))
    assert scores_of(both)["precision"]["value"] == plain["precision"]["value"]
    assert plain["fid"]["value"] != pytest.approx(expected, rel=0.1)
    assert "fid is measured from its mu and sigma, the rest from its images, taken as those of inception" in both.err
    assert "not used: mu_s, sigma_s" in both.err
    assert "not read of its arrays: more" in both.err


def test_statistics_that_are_saved_are_compared_in_place_of_their_images(genkit, photos):
    photos("real", 80)
    photos("fake", 60, 150)
    how = ("--features", "random-conv", "--metrics", "fid", "--json")
    whole = scores_of(genkit("compare", "fake", "real", *how, "--save-stats", "real.npz"))
    again = genkit("compare", "fake", "real.npz", *how)
    assert scores_of(again)["fid[random-conv]"]["value"] == pytest.approx(whole["fid[random-conv]"]["value"], rel=1e-6)
    assert "real.npz: statistics, taken as those of random-conv, as files do not say" in again.err
    shown = genkit("compare", "fake", "real.npz", *how[:-1])
    assert "no interval: statistics do not say how many images they are of" in shown.out
    two = genkit("compare", "real.npz", "real.npz", "--features", "random-conv", "--json")
    assert scores_of(two)["fid[random-conv]"]["value"] == pytest.approx(0, abs=1e-9)
    refused = genkit("compare", "fake", "real", *how, "--save-stats", "real.txt")
    assert (refused.code, "name it real.txt.npz" in refused.err) == (2, True)
    nowhere = genkit("compare", "fake", "real", *how, "--save-stats", "no/such/real.npz")
    assert nowhere.code == 1
    assert "real.npz can't be written" in nowhere.err


def test_features_made_elsewhere_are_compared_without_images(genkit):
    real, fake = (np.random.default_rng(seed).normal(seed, 1, (90, 5)) for seed in (0, 1))
    np.save("fake.npy", fake)
    torch.save(torch.from_numpy(real).float().view(90, 5, 1, 1), "real.pt")
    done = genkit("compare", "fake.npy", "real.pt", "--features", "given", "--save-stats", "real.npz", "--json")
    found = scores_of(done)
    assert found["fid[given]"]["value"] == pytest.approx(frechet_distance(real.astype("f4"), fake).value, rel=1e-9)
    assert {"kid[given]", "precision[given]"} <= found.keys()
    np.testing.assert_allclose(np.load("real.npz")["sigma"], np.cov(real, rowvar=False), rtol=1e-5, atol=1e-7)
    against = genkit("compare", "fake.npy", "real.npz", "--features", "given", "--json")
    assert scores_of(against)["fid[given]"]["value"] == pytest.approx(found["fid[given]"]["value"], rel=1e-6)
    lone = genkit("compare", "fake.npy", "real.npz", "--metrics", "fid")
    assert lone.code == 1
    assert "features are compared by --features given" in lone.err
    torch_file = genkit("compare", "real.pt", "real.npz")
    assert "real.pt holds no images: features are compared by --features given" in torch_file.err
    gone = genkit("compare", "gone.npz", "real.npz")
    assert (gone.code, "gone.npz: check the path" in gone.err) == (3, True)
    missing = genkit("compare", "fake.npy", "none.npy", "--features", "given")
    assert "there is no file none.npy" in missing.err


def test_restored_images_are_compared_with_their_truths_by_name(genkit, tmp_path, monkeypatch):
    put_random_backbones(tmp_path, monkeypatch, [ALEX])
    truths = np.random.default_rng(0).integers(0, 250, (6, 64, 64, 3), dtype=np.uint8)
    shift = np.arange(6, dtype=np.uint8)
    for name, images, ending in (("truths", truths, "png"), ("restored", truths + shift[:, None, None, None], "bmp")):
        Path(name).mkdir()
        for index, pixels in enumerate(images):
            Image.fromarray(pixels).save(f"{name}/{index}.{ending}")
    done = genkit("compare", "restored", "truths", "--paired", "--metrics", "mse,psnr,lpips,kid", "--json")
    found = scores_of(done)
    assert "6 pairs by file names without their endings" in done.err
    assert found["mse"]["value"] == pytest.approx(np.square(shift / 255).mean(), rel=1e-5)
    one, two = (
        torch.from_numpy(images.transpose(0, 3, 1, 2)).float() / 255 * 2 - 1
        for images in (truths, truths + shift[:, None, None, None])
    )
    with torch.no_grad():
        expected = similarity(ALEX)(two, one).mean()
    assert found["lpips"]["value"] == pytest.approx(float(expected), rel=1e-4)
    assert "leave --paired out" in json.loads(done.out)["absent"]["kid"]
    Path("restored/5.bmp").unlink()
    refused = genkit("compare", "restored", "truths", "--paired")
    assert refused.code == 1
    assert "1 images of" in refused.err


def test_each_side_may_choose_its_files_in_one_folder(genkit):
    Path("out").mkdir()
    for index in range(8):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(f"out/{index}_{'fake_B' if index % 2 else 'real_A'}.png")
    sides = "out?glob=*_fake_B.png", "out?glob=*_real_A.png"
    done = genkit("compare", *sides, "--features", "pixels", "--metrics", "fid", "--json")
    assert done.code == 0, done.err
    assert "4 images 8x8 grey" in done.err
    options = json.loads(done.out)["subject"]["options"]
    assert all(options[which].endswith(side) for which, side in zip(("samples", "reference"), sides, strict=True))
    both = genkit("compare", *sides, "--glob", "*.png")
    assert both.code == 2 and "has a pattern of its own" in both.err
