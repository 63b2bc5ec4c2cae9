from __future__ import annotations

import numpy as np
import pytest
import sklearn.datasets
from sklearn.datasets import load_digits

from genkit.data import open_dataset
from genkit.data.digits import _items
from genkit.errors import UsageError


def test_the_fixed_split_is_what_it_was() -> None:
    data = open_dataset("digits")
    assert (len(data.train), len(data.test), data.levels) == (1437, 360, 17)
    assert data.sha256 == "285e9900a1aa8739b7532a2b3cecf4cb2b1485a1341dda044630cb83ee28f02d"


def test_labels_belong_to_their_images() -> None:
    found, known = open_dataset("digits").everything(), load_digits()
    by_pixels = {
        image.astype(np.uint8).tobytes(): label for image, label in zip(known.images, known.target, strict=True)
    }
    assert found.labels is not None
    assert [by_pixels[image.tobytes()] for image in found.pixels] == found.labels.tolist()


def test_every_class_is_tested_by_36() -> None:
    labels = open_dataset("digits").test.labels
    assert labels is not None
    assert np.bincount(labels).tolist() == [36] * 10


def test_no_image_is_in_both_splits() -> None:
    data = open_dataset("digits")
    assert not {i.tobytes() for i in data.train.pixels} & {i.tobytes() for i in data.test.pixels}


def test_the_split_does_not_depend_on_the_order() -> None:
    known = load_digits()
    pixels, labels = known.images.astype(np.uint8)[:, None], known.target
    order = np.random.default_rng(0).permutation(len(labels))

    def tested(pixels: np.ndarray, labels: np.ndarray) -> set[bytes]:
        return {item.pixels.tobytes() for item in _items(pixels, labels) if item.split == "test"}

    assert tested(pixels, labels) == tested(pixels[order], labels[order])


def test_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match="images of digits are 8x8"):
        open_dataset("digits", size=28)


def test_second_opening_does_not_load_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_dataset("digits")

    def refuse() -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(sklearn.datasets, "load_digits", refuse)
    assert open_dataset("digits").sha256 == first.sha256
