"""Tests folder and tree of genkit.data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genkit.data import ImageDataset, open_dataset, open_images
from genkit.data.arrange import layout
from genkit.data.folder import FolderTree, folder
from genkit.data.listed import key_json
from genkit.data.open import dataset_of
from genkit.data.source import DatasetRequest, file_stamp
from genkit.data.summary import describe_data
from genkit.errors import DataError, MissingError, UsageError
from genkit.evaluation.samples import SplitImages

Photos = Callable[..., Path]


def opened(path: Path, **how: Any) -> ImageDataset:
    return dataset_of(folder(DatasetRequest(str(path), **how)), f"folder:{path}")


def test_sorted_class_folders_are_the_labels(photos: Photos) -> None:
    data = opened(photos("dog/1.png", "cat/1.png", "cat/2.png", "cat/deep/3.png"))
    assert data.classes == ("cat", "dog")
    whole = data.everything()
    assert whole.labels is not None
    assert sorted(whole.labels.tolist()) == [0, 0, 0, 1]


def test_labels_stay_with_their_images(photos: Photos) -> None:
    path = photos(*(f"{name}/{n}.png" for name in ("a", "b", "c") for n in range(8)))
    whole = opened(path).everything()
    assert whole.labels is not None
    for pixels, label in zip(whole.pixels, whole.labels, strict=True):
        files = (path / "abc"[label]).iterdir()
        assert any(np.array_equal(np.asarray(Image.open(file)), pixels[0]) for file in files)


def test_flat_images_have_no_labels(photos: Photos) -> None:
    data = opened(photos("1.png", "2.png", "3.png"))
    assert data.classes == ()
    assert data.train.labels is None


def test_train_and_test_folders_are_the_splits(photos: Photos) -> None:
    data = opened(photos("train/a/1.png", "train/b/2.png", "train/b/3.png", "test/a/4.png"))
    assert (len(data.train), len(data.test)) == (3, 1)
    assert data.classes == ("a", "b")


def test_a_folder_beside_train_and_test_is_refused() -> None:
    with pytest.raises(DataError, match=r"other/3\.png next to"):
        layout(["train/1.png", "test/2.png", "other/3.png"], (), open, "photos", DatasetRequest())


def test_train_alone_is_only_a_wrapper() -> None:
    found = layout(["train/a/1.png", "train/b/2.png"], (), open, "photos", DatasetRequest())
    assert found.classes == ("a", "b")
    assert {member.split for member in found.members} == {None}


def test_images_in_and_outside_class_folders_are_refused(photos: Photos) -> None:
    with pytest.raises(DataError, match=r"\(a/1.png\) and outside them \(2.png\)"):
        opened(photos("a/1.png", "2.png", "b/3.png"))


def test_grey_unless_one_image_is_coloured(photos: Photos, draw: Any) -> None:
    path = photos("1.png", "2.png")
    assert opened(path).info().shape == (1, 6, 6)
    Image.fromarray(draw(9, colour=True)).save(path / "3.png")
    assert opened(path).info().shape == (3, 6, 6)


def test_colour_becomes_grey_by_luma_where_asked(photos: Photos) -> None:
    path = photos("1.png", "2.png")
    Image.new("RGB", (6, 6), (255, 0, 0)).save(path / "red.png")
    grey = open_dataset(str(path), grey=True)
    assert grey.info().shape[0] == 1
    assert 76 in np.unique(grey.everything().pixels)  # 0.299 x 255
    assert open_dataset(str(path)).info().shape[0] == 3


def test_arrays_in_colour_are_made_grey_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", images=np.arange(300, dtype=np.uint16).reshape(4, 5, 5, 3).astype(np.uint8))
    assert open_dataset(str(tmp_path / "c.npz"), grey=True).info().shape == (1, 5, 5)


def test_the_format_is_told_by_the_content(photos: Photos) -> None:
    assert len(opened(photos("1.jpg", "2", "3.dat")).everything()) == 3


def test_notes_and_hidden_files_are_left_aside(photos: Photos) -> None:
    path = photos("1.png", "2.png")
    for name in ("labels.csv", "README.txt", ".DS_Store", "Thumbs.db", "meta.JSON"):
        (path / name).write_bytes(b"no image")
    (path / ".git").mkdir()
    (path / ".git" / "x.png").write_bytes(b"no image")
    assert len(opened(path).everything()) == 2


def test_mixed_sizes_name_the_first_two_that_differ(photos: Photos, draw: Any) -> None:
    path = photos("a.png", "b.png", "z.png")
    Image.fromarray(draw(9, 4, 5)).save(path / "c.png")
    with pytest.raises(
        DataError, match=r"a\.png is 6x6, c\.png is 4x5 \(height x width\); give one size, e\.g\. --size 4"
    ):
        opened(path)
    assert opened(path, size=3).info().shape == (1, 3, 3)


def test_a_bad_file_stops_and_is_named(photos: Photos) -> None:
    path = photos("a.png", "b.png")
    (path / "c.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"c\.png is not a PNG"):
        opened(path)


def test_skipped_files_are_counted_also_when_found_in_the_cache(photos: Photos) -> None:
    path = photos("a.png", "b.png", "c.png")
    whole = (path / "a.png").read_bytes()
    (path / "cut.png").write_bytes(whole[: len(whole) - 30])
    (path / "text.png").write_bytes(b"text")
    (path / "empty.png").write_bytes(b"")
    for _ in range(2):
        data = opened(path, skip_bad=True)
        assert (len(data.everything()), data.skipped) == (3, 3)


def test_a_truncated_file_found_while_decoding_stops_and_is_named(photos: Photos) -> None:
    path = photos("a.png", "b.png")
    whole = (path / "a.png").read_bytes()
    (path / "cut.png").write_bytes(whole[: len(whole) - 30])
    with pytest.raises(DataError, match=r"cut\.png is truncated"):
        opened(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images"):
        opened(tmp_path)


def test_a_single_image_is_a_set_without_a_test(photos: Photos) -> None:
    data = opened(photos("only.png"))
    assert (len(data.train), len(data.test), len(data.everything())) == (1, 0, 1)


def test_only_bad_files_is_refused_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="no images but 1 bad files"):
        opened(tmp_path, skip_bad=True)


def test_a_missing_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"there is no .*nowhere"):
        opened(tmp_path / "nowhere")


def test_a_file_is_no_folder(photos: Photos) -> None:
    with pytest.raises(DataError, match="is a file, not a folder"):
        opened(photos("a.png") / "a.png")


def test_a_dangling_link_is_named(photos: Photos) -> None:
    path = photos("a.png", "b.png")
    (path / "c.png").symlink_to(path / "gone.png")
    with pytest.raises(DataError, match=r"c\.png can't be read: No such file"):
        opened(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_without_permission_is_named(photos: Photos) -> None:
    path = photos("a.png", "b.png")
    (path / "b.png").chmod(0)
    with pytest.raises(DataError, match=r"b\.png can't be read: Permission denied"):
        opened(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_are_left_aside_and_links_to_files_followed(photos: Photos) -> None:
    path = photos("a.png", "b.png")
    os.mkfifo(path / "pipe.png")
    (path / "to-pipe.png").symlink_to(path / "pipe.png")
    Path(path.parent / "kept").write_bytes((path / "a.png").read_bytes())
    (path / "to-file.png").symlink_to(path.parent / "kept")
    assert len(opened(path).everything()) == 3


def test_a_link_to_a_folder_above_ends(photos: Photos) -> None:
    path = photos("a/1.png", "b/2.png")
    (path / "a" / "up").symlink_to(path)
    assert len(opened(path).everything()) == 2


def test_a_bare_path_is_a_folder(photos: Photos) -> None:
    data = open_dataset(str(photos("1.png", "2.png")))
    assert data.slug == "folder-photos"


@pytest.mark.parametrize("size", [0, -3, 100_000])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="size"):
        DatasetRequest("x", size=size)


def test_a_link_to_a_folder_above_is_not_followed_and_that_is_said(photos: Photos, tmp_path: Path) -> None:
    root = photos("set/1.png", "set/2.png", "other/3.png")
    (root / "set" / "up").symlink_to("..")
    data = open_dataset(f"folder:{root / 'set'}")
    assert len(data.everything()) == 2
    assert "the link up leads to a folder above" in " ".join(data.notes)


def test_bad_files_that_are_left_out_are_named(photos: Photos) -> None:
    root = photos("1.png", "2.png", "3.png")
    (root / "3.png").write_bytes(b"no image")
    data = open_dataset(f"folder:{root}", skip_bad=True)
    assert data.skipped == 1
    assert "3.png is not a PNG" in data.left_out[0]


def test_16_bit_values_that_reach_little_of_their_range_are_said(tmp_path: Path) -> None:
    for index in range(3):
        grey = np.random.default_rng(index).integers(0, 4096, (8, 8), np.uint16)
        grey[0, 0] = 4095
        Image.fromarray(grey).save(tmp_path / f"{index}.png")
    assert "--range 0 4095" in " ".join(open_dataset(f"folder:{tmp_path}").notes)
    assert open_dataset(f"folder:{tmp_path}", values=(0, 4095)).notes == ()


def test_a_size_may_be_a_height_and_a_width(photos: Photos) -> None:
    data = open_dataset(f"folder:{photos('1.png', '2.png', '3.png')}", size=(4, 3))
    assert data.info().shape[1:] == (4, 3)


def test_a_link_upwards_that_is_added_later_is_said_too(photos: Photos) -> None:
    root = photos("set/1.png", "set/2.png")
    assert open_dataset(f"folder:{root / 'set'}").notes == ()
    (root / "set" / "up").symlink_to("..")
    assert "leads to a folder above" in " ".join(open_dataset(f"folder:{root / 'set'}").notes)


def test_images_of_several_sizes_are_measured_each_at_its_own_by_the_decoding_of_other_packages(tmp_path: Path) -> None:
    shapes = [(9, 7), (6, 8), (6, 8), (4, 4)]
    drawn = [np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8) for seed, shape in enumerate(shapes)]
    for index, pixels in enumerate(drawn):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    for _ in range(2):  # packed, then from the cache
        data = open_images(f"folder:{tmp_path}", decoding="rgb")
        whole = data.everything()
        assert whole.order is not None
        assert whole.sizes is not None
        found = SplitImages(whole, len(whole), 250, content=data.sha256).chunks()
        for image, expected in zip(found, drawn, strict=True):
            assert np.array_equal(image[0].permute(1, 2, 0), expected)
        assert [tuple(size) for size in whole.sizes[whole.order]] == shapes
    assert "up to 9x8" in describe_data(data)
    assert "several sizes" in data.notes[0]
    shutil.copytree(tmp_path, other := tmp_path / "padded")
    padded = np.zeros((9, 8, 3), np.uint8)
    padded[:4, :4] = drawn[3]
    Image.fromarray(padded).save(other / "3.png")
    assert open_images(f"folder:{other}", decoding="rgb").sha256 != data.sha256


def test_what_other_packages_would_read_otherwise_is_known(photos: Photos) -> None:
    folder = photos("a.png", "b.png")
    assert open_dataset(f"folder:{folder}").departures == ()
    assert open_dataset(f"folder:{folder}", size=4).departures == ("resized to 4x4",)
    Image.new("RGBA", (6, 6), (1, 2, 3, 4)).save(folder / "c.png")
    found = open_dataset(f"folder:{folder}", size=4, grey=True).departures
    assert found == ("transparency read by genkit's rules", "resized to 4x4", "made grey")
    assert open_images(f"folder:{folder}", decoding="rgb").departures == ()


def test_a_pipe_and_a_device_are_not_read_and_named(tmp_path: Path, photos: Photos) -> None:
    root = photos("1.png", "2.png")
    os.mkfifo(root / "3.png")
    (root / "4.png").symlink_to("/dev/zero")
    data = opened(root)
    assert len(data.train) + len(data.test) == 2
    assert data.notes == ("not read: 3.png, which is a pipe, a socket or a device, and 1 more",)


def test_the_key_of_a_folder_lists_all_files_and_links_in_the_order_that_it_always_had(photos: Photos) -> None:
    root = photos("b/1.png", "a/1.png", "a-c/2.png", "a.png", "b/d/3.png")
    for link in ("z-up", "a/up", "b/up", "b/d/up"):
        (root / link).symlink_to(root)
    names = ["a-c/2.png", "a.png", "a/1.png", "b/1.png", "b/d/3.png"]
    files = [[name, *file_stamp(root / name)] for name in names]
    expected = [str(root.resolve()), files, "z-up", "b/up", "b/d/up", "a/up"]
    tree = FolderTree(root)
    assert "".join(key_json(tree.key())) == json.dumps(expected)
    assert [tree.names()[place] for place in tree.images()] == [
        *("a/1.png", "a-c/2.png", "a.png", "b/1.png", "b/d/3.png"),
    ]


def test_folders_may_be_900_deep(tmp_path: Path, photos: Photos) -> None:
    root = photos("1.png", "2.png")
    deep = root.joinpath(*["d"] * 900)
    deep.mkdir(parents=True)
    (root / "2.png").rename(deep / "2.png")
    assert len(FolderTree(root).names()) == 2
