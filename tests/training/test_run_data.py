"""Tests genkit.training.run_data: a run's data is known by its content, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from making import edited
from PIL import Image

from genkit.data.encoded import EncodedPixels
from genkit.errors import DataError, MissingError
from genkit.training.api import resume, train
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import open_run


@pytest.fixture
def opened(monkeypatch, digits):
    """What open_dataset is asked for, as genkit.training.run_data asks."""
    asked = []

    def note(reference, **how):
        asked.append((reference, how))
        return digits

    monkeypatch.setattr("genkit.training.run_data.open_dataset", note)
    monkeypatch.delenv("GENKIT_DATA", raising=False)
    return asked


def test_a_run_opens_its_data_packed_as_it_was_trained_on(tmp_path):
    (tmp_path / "photos").mkdir()
    for index in range(30):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    one, other = (
        train("ppca", tmp_path / "photos", root=tmp_path / "runs", **how) for how in ({}, {"pack": "encoded"})
    )
    assert one.config.dataset_sha256 == other.config.dataset_sha256
    assert (one.config.opening.pack, other.config.opening.pack) == ("pixels", "encoded")
    assert isinstance(open_run_dataset(other).train.pixels, EncodedPixels)
    assert not isinstance(open_run_dataset(one).train.pixels, EncodedPixels)


def test_where_downloaded_data_lies_is_said_by_the_caller_then_the_environment_then_the_run(
    run_toy, tmp_path, monkeypatch, opened
):
    monkeypatch.chdir(tmp_path)
    run = run_toy(images=16, dataset_options={"data_root": "old"})
    given, environment = tmp_path / "given", tmp_path / "environment"
    open_run_dataset(run)
    monkeypatch.setenv("GENKIT_DATA", str(environment))
    open_run_dataset(run)
    open_run_dataset(run, data_root=given)
    assert [Path(how["data_root"]) for _, how in opened] == [tmp_path / "old", environment, given]


def pictures(folder, count, *, side=8, classes=("cross", "disc")):
    for index in range(count):
        place = folder / classes[index % len(classes)] if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (side, side), np.uint8)
        Image.fromarray(pixels).save(place / f"{index:03d}.png")


@pytest.fixture
def run(toy_models, tmp_path):
    """A run on tmp_path/q, 20 images of two classes."""
    pictures(tmp_path / "q", 20)
    return train("toy-trouble", f"folder:{tmp_path / 'q'}", images=16, root=tmp_path / "runs", device="cpu")


def test_a_moved_data_set_is_asked_for_and_taken_by_its_content(run, tmp_path):
    (tmp_path / "q").rename(tmp_path / "q2")
    with pytest.raises(MissingError, match="--dataset NEWPATH"):
        open_run_dataset(run)
    for place in (tmp_path / "q2", f"folder:{tmp_path / 'q2'}"):
        assert open_run_dataset(run, place).sha256 == run.config.dataset_sha256
    assert resume(run, dataset=tmp_path / "q2").finished


def test_a_run_says_what_its_data_was_read_as(run):
    assert run.config.summary == "20 images 8x8 grey, 2 classes: cross 10, disc 10; train 16, test 4"
    assert run.config.data.class_names == ("cross", "disc")
    edited(
        run.path / "run.json", lambda document: (document.pop("dataset_summary"), document["data"].pop("class_names"))
    )
    assert open_run(run.path).config.summary == "16 training images 8x8 grey, 2 classes: 0, 1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 21}, "it had 20 images .*, and has 21 images"),
        ({"count": 20, "side": 9}, "and has 20 images 9x9 grey"),
        ({"count": 20, "classes": ("disc", "square")}, "and has 20 images 8x8 grey, 2 classes: disc 10, square 10"),
    ],
    ids=["one image more", "another size", "other classes"],
)
def test_what_has_changed_is_said_and_what_still_works(run, tmp_path, change, said):
    pictures(tmp_path / "changed", **change)
    with pytest.raises(DataError, match=said) as caught:
        open_run_dataset(run, tmp_path / "changed")
    assert "genkit sample and interpolate work without it" in str(caught.value)


def test_other_pixels_in_the_same_numbers_are_told_apart(run, tmp_path):
    file = tmp_path / "q" / "disc" / "001.png"
    pixels = np.array(Image.open(file))
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(file)
    with pytest.raises(DataError, match="its pixels, labels or .* differ, though it still has|it had .* train"):
        open_run_dataset(run)


def test_moved_data_keeps_the_name_that_its_run_recorded(run, tmp_path):
    (tmp_path / "q").rename(tmp_path / "q2")
    data = open_run_dataset(run, tmp_path / "q2")
    assert (data.name, data.slug) == (f"folder:{tmp_path / 'q2'}", "folder-q")


def test_a_run_on_chosen_files_opens_them_again(toy_models, tmp_path):
    pictures(tmp_path / "q", 20, classes=())
    pattern = f"{tmp_path / 'q'}?glob=01*.png"
    run = train("toy-trouble", pattern, images=16, root=tmp_path / "runs", device="cpu")
    assert run.config.dataset == f"folder:{pattern}"
    assert len(open_run_dataset(run).everything()) == 10
    assert resume(run).finished
