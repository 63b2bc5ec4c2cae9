"""Folders of splits, in the names that data sets have them under."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from genkit.data import open_dataset, open_images
from genkit.errors import DataError

Photos = Callable[..., Path]

SEVERAL = [
    ("trainA", "trainB", "testA", "testB"),
    ("TrainA", "TrainB", "TestA", "TestB"),
    ("traina", "trainb", "testa", "testb"),
    ("train_photo", "train_monet", "val_photo", "val_monet"),
    ("set_train_HR", "set_train_LR", "set_valid_HR", "set_valid_LR"),
    ("trainHR", "trainLR"),
    ("train", "testA", "testB"),
    ("trainA", "trainB", "testA", "testB", "masks"),
]


def names(*folders: str) -> list[str]:
    return [f"{folder}/{index}.png" for folder in folders for index in range(2)]


@pytest.mark.parametrize("folders", SEVERAL, ids="+".join)
@pytest.mark.parametrize("function", [open_dataset, open_images])
def test_splits_of_several_sets_are_no_classes_and_one_is_asked_for(
    photos: Photos, folders: tuple[str, ...], function: Callable[..., object]
) -> None:
    root = photos(*names(*folders))
    with pytest.raises(DataError, match=rf"no classes: choose one .*folder:{root}/{min(folders)}.*--labels none"):
        function(str(root))


def test_the_choices_named_work(photos: Photos, tmp_path: Path) -> None:
    root = photos(*names("trainA", "trainB", "testA", "testB"))
    assert len(open_images(f"folder:{root}/trainA").everything()) == 2
    assert open_dataset(str(root), labels="folders").classes == ("testA", "testB", "trainA", "trainB")
    assert (len(open_images(str(root), labels="none").everything()), open_images(str(root), labels="none").classes) == (
        8,
        (),
    )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    with pytest.raises(DataError, match=r"add --glob 'testA/\*'"):
        open_images(str(tmp_path / "a.zip"))
    assert len(open_images(str(tmp_path / "a.zip"), glob="testA/*").everything()) == 2


@pytest.mark.parametrize("folders", [("trainA", "testA"), ("train2017", "val2017"), ("coco_train", "coco_test")])
def test_splits_that_share_another_word_are_splits_and_that_is_said(
    photos: Photos, folders: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    data = open_dataset(str(photos(*names(*folders))))
    assert (len(data.train), len(data.test), data.own_splits, data.classes) == (2, 2, True, ())
    assert "are read as its splits" in caplog.text


@pytest.mark.parametrize("folders", [("train", "bus"), ("train_station", "test_tube", "bus"), ("a", "b")])
def test_classes_with_the_names_of_splits_are_classes_and_that_is_logged(
    photos: Photos, folders: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    root = photos(*names(*folders))
    for _ in range(2):  # packed now, and packed before
        caplog.clear()
        with caplog.at_level(logging.WARNING, "genkit.data"):
            assert open_dataset(str(root)).classes == tuple(sorted(folders))
        assert f"its folders are read as classes: {', '.join(sorted(folders))}" in caplog.text
    caplog.clear()
    open_dataset(str(root), labels="folders")
    assert not caplog.text


def test_folders_with_splits_of_their_own_are_asked_about(photos: Photos) -> None:
    root = photos(*names("cats/train", "cats/test", "dogs/train", "dogs/test"))
    with pytest.raises(DataError, match=rf"in each of cats/ and dogs/: choose one .*folder:{root}/cats.*--labels"):
        open_dataset(str(root))
    assert len(open_dataset(f"folder:{root}/cats").train) == 2
    data = open_dataset(str(root), labels="folders")
    assert (data.classes, len(data.train), len(data.test), data.own_splits) == (("cats", "dogs"), 4, 4, True)
    assert open_dataset(str(root), labels="none").classes == ()


def test_splits_without_train_are_read_as_is_asked(photos: Photos) -> None:
    root = photos(*names("val", "test"))
    with pytest.raises(DataError, match="no train/"):
        open_dataset(str(root))
    assert open_dataset(str(root), labels="folders").classes == ("test", "val")
    assert open_dataset(str(root), labels="none").classes == ()
