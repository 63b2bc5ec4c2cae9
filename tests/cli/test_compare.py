"""genkit compare: two sets of images and no model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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


def test_after_ctrl_c_the_same_command_goes_on_as_is_said(genkit, photos, monkeypatch):
    from genkit.features.extractor import Extractor

    seen, extract = [], Extractor.__call__

    def interrupted(self, images, *tick):
        if len(seen) == 1:
            seen.append(0)
            raise KeyboardInterrupt
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
