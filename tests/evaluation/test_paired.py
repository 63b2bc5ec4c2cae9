"""Restored images and their truths."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from genkit.errors import DataError, UsageError
from genkit.evaluation.compare import compare


def folder(path, images, ending="png", prefix=""):
    path.mkdir()
    for place, each in enumerate(images):
        Image.fromarray(each).save(path / f"{prefix}{place:02d}.{ending}")
    return path


@pytest.fixture
def truths():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)


def test_images_of_equal_names_are_pairs(tmp_path, truths, caplog):
    restored = np.clip(truths.astype(int) + 5, 0, 255).astype(np.uint8)
    out, truth = folder(tmp_path / "out", restored), folder(tmp_path / "truth", truths, "bmp")
    record = compare(out, truth, paired=True, metrics="mse,psnr,ssim,fid").record
    errors = np.square((restored / 255) - (truths / 255)).mean(axis=(1, 2))
    assert record.score("mse").value == pytest.approx(errors.mean(), rel=1e-5)
    assert record.score("psnr").value == pytest.approx((-10 * np.log10(errors)).mean(), rel=1e-5)
    assert record.score("ssim").value > 0.9
    assert record.score("mse").choices["data.test"] == "paired"
    assert "leave --paired out" in record.absent["fid"]
    assert "12 pairs by file names without their endings" in caplog.text


def test_images_without_names_are_pairs_by_order(tmp_path, truths, caplog):
    np.savez(tmp_path / "a.npz", truths)
    np.savez(tmp_path / "b.npz", np.ascontiguousarray(truths[:, ::-1]))
    record = compare(tmp_path / "b.npz", tmp_path / "a.npz", paired=True, metrics="mse").record
    errors = np.square(truths[:, ::-1] / 255 - truths / 255).mean(axis=(1, 2))
    assert record.score("mse").value == pytest.approx(errors.mean(), rel=1e-5)
    assert "paired by order" in caplog.text
    np.savez(tmp_path / "fewer.npz", truths[:5])
    with pytest.raises(DataError, match=r"5 images and .* 12, without file names"):
        compare(tmp_path / "fewer.npz", tmp_path / "a.npz", paired=True)


def test_an_image_without_its_truth_or_of_another_size_is_refused(tmp_path, truths, digits):
    out, truth = folder(tmp_path / "out", truths, prefix="x"), folder(tmp_path / "truth", truths)
    with pytest.raises(DataError, match=r"12 images of .*out have no image of that name in .*truth, such as x00"):
        compare(out, truth, paired=True)
    with pytest.raises(UsageError, match=r"pairs have one shape: .*--size"):
        compare(out, digits, paired=True)


def test_sets_that_are_no_pairs_name_the_flag(digits):
    record = compare(dataclasses.replace(digits.test, name="test"), digits, metrics="kid,mse", features="pixels").record
    assert "--paired does so" in record.absent["mse"]
