"""The division by content leaves no class without training images, and is otherwise what it always was."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from genkit.data import open_dataset
from genkit.data.division import TEST_SHARE, Division, split_hash
from genkit.data.source import Item
from genkit.data.summary import class_counts, describe_data


def divided(values: list[int], labels: list[int | None]) -> list[bool]:
    """Divide images of one pixel, each of a grey level."""
    items = [Item(np.full((1, 1, 1), value, np.uint8), label) for value, label in zip(values, labels, strict=True)]
    division = Division()
    by_content = [division.add(item) for item in items]
    return division.mended() or by_content


def before(values: list[int]) -> list[bool]:
    """The division as it was: by content, and one image moved if all were on one side."""
    hashes = [split_hash(np.full((1, 1, 1), value, np.uint8)) for value in values]
    test = [position < TEST_SHARE for position in hashes]
    if all(test):
        return [position < max(hashes) for position in hashes]
    if not any(test) and min(hashes) < max(hashes):
        return [position <= min(hashes) for position in hashes]
    return test


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_a_set_that_lacked_no_class_is_divided_as_before_and_others_lack_none(classes: int) -> None:
    changed = 0
    for seed in range(400):
        draw = np.random.default_rng(seed)
        count = int(draw.integers(2, 20))
        values = draw.integers(0, 256, count).tolist()
        labels = draw.integers(0, classes, count).tolist() if classes > 1 else [None] * count
        test, old = divided(values, labels), before(values)
        trained = {label for label, held in zip(labels, old, strict=True) if not held}
        if trained == set(labels):
            assert test == old
            continue
        changed += 1
        assert not (len(set(values)) > 1 and not any(test))
        for label in set(labels):
            mine = [held for held, each in zip(test, labels, strict=True) if each == label]
            assert not all(mine) or len(set(labels)) == len(values) or len(set(values)) < len(values)
    assert changed == 0 if classes == 1 else changed > 20


def level(test: bool, skip: int = 0) -> int:
    """A grey level whose image is a test image by content, or is not."""
    found = [v for v in range(256) if (split_hash(np.full((1, 8, 8), v, np.uint8)) < TEST_SHARE) == test]
    return found[skip]


def test_a_class_whose_images_would_all_be_tested_on_keeps_one_to_train_on(tmp_path):
    sets = {"a": [level(False, 0), level(False, 1), level(True, 0)], "b": [level(True, 1), level(True, 2)]}
    sets["c"] = [level(True, 3)]
    for name, levels in sets.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for value in levels:
            Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / "set" / name / f"{value}.png")
    data = open_dataset(str(tmp_path / "set"), labels="folders")
    assert class_counts(data) == {"train": [2, 1, 1], "test": [1, 1, 0]}
    line = "6 images 8x8 grey, 3 classes: a 3, b 2, c 1; train 4, test 2; a single image, in train, of c"
    assert describe_data(data) == line
    assert data.train.labels.tolist() == [0, 0, 1, 2]
    names = [data.everything().names[place] for place in data.everything().order]
    assert names == sorted(names, key=lambda name: name.split("/"))


def test_where_all_classes_have_one_image_one_is_still_tested_on() -> None:
    values = [level(True, place) for place in range(3)]
    items = [Item(np.full((1, 8, 8), value, np.uint8), place) for place, value in enumerate(values)]
    division = Division()
    for item in items:
        division.add(item)
    test = division.mended()
    assert test is not None
    assert sorted(test) == [False, False, True]
