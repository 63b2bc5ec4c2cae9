from __future__ import annotations

import numpy as np
import pytest

from genkit.data.dataset import DataInfo, ImageDataset, Split
from genkit.data.summary import class_counts, describe_data, describe_info


def dataset(labels=None, test_labels=None, classes=(), *, shape=(3, 32, 48), captions=None, levels=256):
    def split(name, count, labels, captions=None):
        labels = None if labels is None else np.array(labels)
        return Split(name, np.zeros((count, *shape), np.uint8), labels, levels, None, captions)

    count = len(labels) if labels is not None else 5
    test = len(test_labels) if test_labels is not None else 2
    return ImageDataset(
        "folder:photos", "0" * 64, split("train", count, labels, captions), split("test", test, test_labels), classes
    )


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (dataset(), "7 images 32x48 RGB; train 5, test 2"),
        (dataset(shape=(1, 8, 8), levels=17), "7 images 8x8 grey of 17 levels; train 5, test 2"),
        (
            dataset([0, 0, 1], [1, 1], ("cross", "disc")),
            "5 images 32x48 RGB, 2 classes: cross 2, disc 3; train 3, test 2",
        ),
        (
            dataset([0, 0, 2], [1, 2], ("a", "b", "c")),
            "5 images 32x48 RGB, 3 classes: a 2, b 1, c 2; train 3, test 2; no training images of b",
        ),
        (
            dataset(captions=[("one", "two"), (), (), ("three",), ()]),
            "7 images 32x48 RGB, 3 captions; train 5, test 2",
        ),
    ],
    ids=["plain", "grey levels", "classes", "empty class", "captions"],
)
def test_one_line_says_what_was_understood(data, line):
    assert describe_data(data) == line


def test_a_long_list_of_classes_is_cut():
    data = dataset(list(range(12)), [0], tuple(f"c{place}" for place in range(12)))
    assert "12 classes: c0 2, c1 1, c2 1, c3 1, c4 1, c5 1, c6 1, c7 1, c8 1, ...; train" in describe_data(data)


def test_classes_are_counted_by_split():
    assert class_counts(dataset([0, 0, 1], [1, 1], ("a", "b"))) == {"train": [2, 1], "test": [0, 2]}
    assert class_counts(dataset()) == {"train": [], "test": []}


def test_an_older_run_is_described_by_what_its_model_was_told():
    info = DataInfo((3, 32, 32), num_classes=2, num_train=1)
    assert describe_info(info) == "1 training image 32x32 RGB, 2 classes: 0, 1"
