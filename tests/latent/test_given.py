"""Which images a model is given. Tests edits too: what genkit.edit does with them."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from PIL import Image

import genkit
from genkit.data import Split
from genkit.data.decode import decode
from genkit.errors import DataError, UsageError
from genkit.latent.given import pick_test, read_pictures


def sorted_by_class(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = np.arange(len(labels), dtype=np.uint8).repeat(16).reshape(-1, 1, 4, 4)
    return Split("test", pixels, labels.astype(np.int64), names=[f"{place}.png" for place in range(len(labels))])


def test_of_data_sorted_by_class_all_classes_are_picked_in_turn():
    found = pick_test(sorted_by_class([50, 30, 20]), 9)
    assert found.labels.tolist() == [0, 1, 2] * 3
    assert found.sources == tuple(f"{round(float(image[0, 0, 0] * 255))}.png" for image in found.images)
    assert len(set(found.sources)) == 9


def test_a_class_that_is_used_up_leaves_its_turns_to_the_others():
    assert pick_test(sorted_by_class([1, 3]), 10).labels.tolist() == [0, 1, 1, 1]


def test_the_seed_picks_the_same_again_and_another_seed_others():
    split = dataclasses.replace(sorted_by_class([100]), labels=None)
    one, same, other = (pick_test(split, 10, seed).sources for seed in (1, 1, 2))
    assert one == same != other
    assert one != split.names[:10]


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return genkit.train("ppca", digits, root=tmp_path_factory.mktemp("runs"))


def test_a_picture_of_another_size_and_kind_is_read_as_the_data_and_that_is_said(run, tmp_path, caplog):
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)).save(path)
    with caplog.at_level(logging.WARNING):
        found = read_pictures([path], run)
    with path.open("rb") as file:
        pixels = decode(file, "wide.png", grey=True, size=(8, 8))
    assert np.array_equal((found.images[0] * 255).round().numpy(), pixels)
    said = f"{path}, 20x40 in colour, is made 8x8 grey: the centre is resized, as the run's data was"
    assert [record.message for record in caplog.records] == [said]
    caplog.clear()
    Image.new("L", (8, 8)).save(path)
    read_pictures([path], run)
    assert not caplog.records


def test_targets_to_enlarge_are_read_at_their_smaller_size(run, tmp_path):
    path = tmp_path / "large.png"
    Image.new("L", (20, 20), 99).save(path)
    found = genkit.edit(run, path, factor=2, steps=1, starts=1, out=tmp_path / "out")
    assert found.given.shape == (1, 1, 4, 4) and found.edited.shape == (1, 1, 8, 8)
    assert found.sources == (str(path),)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["large.png"]


def test_a_mask_of_another_size_is_resized_with_its_picture(run, tmp_path):
    Image.new("L", (16, 16), 200).save(tmp_path / "hole.png")
    mask = np.full((16, 16), 255, np.uint8)
    mask[:, :8] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = genkit.edit(run, tmp_path / "hole.png", mask=tmp_path / "mask.png", steps=1, starts=1)
    assert (found.edited[0, 0, :, 5:] * 255).round().unique().tolist() == [200]
    assert not (found.edited[0, 0, :, :3] * 255).round().eq(200).all()


def test_a_file_that_is_no_picture_is_named_without_flags_of_data_sets(run, tmp_path):
    for name, content in (("notes.png", b"not a picture"), ("empty.png", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} is .* or leave it out$"):
            read_pictures([tmp_path / name], run)


@pytest.mark.parametrize("searching", [{"steps": 1}, {"starts": 9}, {"prior": 5}, {"features": "pixels"}])
def test_a_model_that_completes_does_not_ignore_options_of_a_search(searching, digits, tmp_path):
    small = {"width": 16, "layers": 1, "heads": 2, "channels": 4}
    run = genkit.train("maskgit", digits, images=64, options=small, root=tmp_path)
    assert genkit.edit(run, hole="top", count=2, noise=0.2).edited.shape == (2, 1, 8, 8)
    with pytest.raises(UsageError, match="it does not search: leave steps"):
        genkit.edit(run, hole="top", count=2, **searching)
