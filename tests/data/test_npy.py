"""Tests npy, npz_names and labelling of genkit.data: arrays that other tools wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genkit.data import ImageDataset, open_dataset
from genkit.data.labelling import name_classes
from genkit.errors import DataError, UsageError

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (12, 4, 5), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def saved(*bare: Any, **arrays: Any) -> str:
        path = tmp_path / ("a.npz" if arrays else "a.npy")
        if arrays:
            np.savez(path, **arrays)
        else:
            np.save(path, *bare)
        return str(path)

    return saved


def pixels(data: ImageDataset) -> Any:
    whole = data.everything()
    order = np.arange(len(whole)) if whole.order is None else whole.order
    return np.asarray(whole.pixels)[order]


def test_a_bare_npy_is_a_set_of_images(save: Any) -> None:
    data = open_dataset(save(COLOUR))
    assert np.array_equal(pixels(data), COLOUR.transpose(0, 3, 1, 2))
    assert data.sha256 == open_dataset(save(images=COLOUR)).sha256


def test_bool_is_black_and_white(save: Any) -> None:
    assert np.array_equal(pixels(open_dataset(save(GREY > 99)))[:, 0], np.where(GREY > 99, 255, 0))


def test_16_bits_are_scaled_and_a_small_range_is_said(save: Any) -> None:
    wide = RNG.integers(0, 65536, (12, 4, 5)).astype(np.uint16)
    data = open_dataset(save(wide))
    assert np.array_equal(pixels(data)[:, 0], np.rint(wide * (255 / 65535)))
    assert not data.notes
    narrow = (GREY.astype(np.uint16) * 4095) // 255
    data = open_dataset(save(narrow))
    assert f"reach {narrow.max()} of 65535: if they have 10 bits, give --range 0 1023" in data.notes[0]
    data = open_dataset(save(narrow), values=(0, 4095))
    assert np.array_equal(pixels(data)[:, 0], np.rint(narrow * (255 / 4095)))


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.int16])
def test_a_range_makes_any_numbers_levels(save: Any, dtype: Any) -> None:
    assert np.array_equal(pixels(open_dataset(save(GREY.astype(dtype)), values=(0, 255)))[:, 0], GREY)


def test_floats_from_minus_one_to_one_need_their_range(save: Any) -> None:
    centred = GREY / 127.5 - 1
    with pytest.raises(DataError, match=r"outside \[0, 1\]: .*--range -1 1"):
        open_dataset(save(centred))
    assert np.array_equal(pixels(open_dataset(save(centred), values=(-1, 1)))[:, 0], GREY)
    with pytest.raises(DataError, match=r"outside \[0, 1\]: .*--range 0 255"):
        open_dataset(save(GREY.astype(np.float32)))


def test_floats_may_exceed_the_unit_range_by_rounding(save: Any) -> None:
    near = (GREY / 255).astype(np.float32)
    near[0, 0, 0], near[1, 0, 0] = 1.000001, -0.000001
    read = pixels(open_dataset(save(near)))
    assert (read[0, 0, 0, 0], read[1, 0, 0, 0]) == (255, 0)
    near[0, 0, 0] = 1.002001
    with pytest.raises(DataError, match=r"to 1\.002001, outside"):
        open_dataset(save(near))


@pytest.mark.parametrize(("images", "labels"), [("x", "y"), ("data", "target"), ("X", "y"), ("arr_0", "arr_1")])
def test_names_that_other_tools_write(save: Any, images: str, labels: str) -> None:
    data = open_dataset(save(**{images: GREY, labels: np.arange(12) % 3}))
    assert data.sha256 == open_dataset(save(images=GREY, labels=np.arange(12) % 3)).sha256


def test_keras_splits(save: Any) -> None:
    labels = np.arange(12) % 2
    data = open_dataset(save(x_train=GREY, y_train=labels, x_test=GREY[:4], y_test=labels[:4]))
    assert (len(data.train), len(data.test), data.classes) == (12, 4, ("0", "1"))


def test_three_splits_of_medmnist(save: Any) -> None:
    labels = (np.arange(12) % 2)[:, None].astype(np.uint8)
    parts = {"train": slice(0, 6), "val": slice(6, 8), "test": slice(8, 12)}
    arrays = {f"{part}_images": COLOUR[rows] for part, rows in parts.items()}
    data = open_dataset(save(**arrays, **{f"{part}_labels": labels[rows] for part, rows in parts.items()}))
    assert (len(data.train), len(data.test)) == (6, 4)
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    assert data.notes == ("train_images is trained on and test_images tested on; val_images is left out",)
    del arrays["test_images"]
    data = open_dataset(save(**arrays))
    assert (len(data.train), len(data.test)) == (6, 2)
    assert data.notes == ("val_images is the test split, as there is no test_images",)


def test_an_array_is_chosen_by_name(save: Any) -> None:
    path = save(images=GREY, other=GREY[:6], x_test=GREY[:3])
    assert len(open_dataset(path, array="other").everything()) == 6
    with pytest.raises(UsageError, match="has no array 'moons': choose one of images, other, x_test"):
        open_dataset(path, array="moons")
    with pytest.raises(DataError, match="has no array 'images'; it has x_test: rename .* --array x_test"):
        open_dataset(save(x_test=GREY))


def test_statistics_beside_images_are_said_not_to_be_read(save: Any) -> None:
    mu, sigma = np.zeros(4), np.eye(4)
    data = open_dataset(save(arr_0=COLOUR, mu=mu, sigma=sigma, mu_s=mu, sigma_s=sigma))
    assert len(data.everything()) == 12
    assert data.notes == ("mu, sigma, mu_s, sigma_s are statistics and are not read as images",)
    with pytest.raises(DataError, match=r"holds statistics \(mu, sigma\) and no images"):
        open_dataset(save(mu=mu, sigma=sigma))


def test_labels_that_leave_numbers_out_are_renumbered_and_named(save: Any) -> None:
    labels = np.array([2, 7, 12])[np.arange(12) % 3]
    data = open_dataset(save(images=GREY, labels=labels))
    assert data.classes == ("2", "7", "12")
    found = data.everything()
    assert found.labels is not None
    assert found.order is not None
    assert found.labels[found.order].tolist() == (np.arange(12) % 3).tolist()
    assert "only labels 2, 7, 12 occur" in data.notes[0]


def test_named_classes_without_images_are_said(save: Any) -> None:
    data = open_dataset(save(images=GREY, labels=np.arange(12) % 2, classes=["a", "b", "c"]))
    assert data.classes == ("a", "b", "c")
    assert data.notes == ("no image is of class c",)


def test_one_hot_labels_are_the_place_of_the_one(save: Any) -> None:
    labels = np.arange(12) % 3
    data = open_dataset(save(images=GREY, labels=np.eye(3)[labels]))
    assert data.sha256 == open_dataset(save(images=GREY, labels=labels)).sha256
    with pytest.raises(DataError, match=r"labels must be one row of integers, or one-hot .* --labels none"):
        open_dataset(save(images=GREY, labels=np.ones((12, 3), int)))


def test_labels_are_left_out_on_request(save: Any) -> None:
    path = save(arr_0=GREY, arr_1=GREY)
    with pytest.raises(DataError, match="arr_1 must be one row of integers, as it is read as the labels of arr_0"):
        open_dataset(path)
    assert not open_dataset(path, labels="none").classes


def test_a_single_colour_image_is_not_taken_for_grey_ones_without_a_word(save: Any) -> None:
    assert "is read as 32 grey images of 8x3" in open_dataset(save(RNG.integers(0, 255, (32, 8, 3)) > 99)).notes[0]


def test_texts_are_classes_in_sorted_order() -> None:
    assert name_classes(["dog", "cat", "dog"]) == ([1, 0, 1], ("cat", "dog"), "")
    assert name_classes(["1", "0"]) == ([1, 0], ("0", "1"), "")
