from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genkit.data import ImageDataset, open_dataset
from genkit.data.npz import npz
from genkit.data.open import dataset_of
from genkit.data.source import DatasetRequest
from genkit.errors import DataError, MissingError, UsageError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (10, 4, 5), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def saved(**arrays: Any) -> Path:
        path = tmp_path / "a.npz"
        np.savez(path, **arrays)
        return path

    return saved


def opened(path: Path, **how: Any) -> ImageDataset:
    return dataset_of(npz(DatasetRequest(str(path), **how)), f"npz:{path}")


def as_set(pixels: Any) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in pixels}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (np.ascontiguousarray(COLOUR.transpose(0, 3, 1, 2)), COLOUR.transpose(0, 3, 1, 2)),
        (np.asfortranarray(COLOUR), COLOUR.transpose(0, 3, 1, 2)),
        (GREY / 255, GREY[:, None]),
        ((GREY / 255).astype(np.float32), GREY[:, None]),
    ],
    ids=["NHW", "N1HW", "NHW1", "NHWC", "NCHW", "fortran", "float64", "float32"],
)
def test_every_layout_gives_the_same_images(save: Any, stored: Any, expected: Any) -> None:
    whole = opened(save(images=stored)).everything()
    assert whole.pixels.shape == expected.shape
    assert as_set(whole.pixels) == as_set(expected)


def test_floats_round_half_to_even(save: Any) -> None:
    values = np.array([0.5, 1.5, 2.5, 254.5]) / 255
    whole = opened(save(images=np.stack([values.reshape(2, 2), np.ones((2, 2))]))).everything()
    assert sorted(int(v) for v in whole.pixels.ravel()) == [0, 2, 2, 254, 255, 255, 255, 255]


@pytest.mark.parametrize("value", [-0.01, 1.01, 200.0])
def test_floats_outside_the_unit_range_are_refused(save: Any, value: float) -> None:
    stored = np.full((3, 2, 2), 0.5)
    stored[1, 0, 0] = value
    with pytest.raises(DataError, match=r"images\[1\] has values .* outside \[0, 1\]"):
        opened(save(images=stored))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_not_finite_are_called_that(save: Any, value: float) -> None:
    stored = np.full((3, 2, 2), 0.5)
    stored[1, 0, 0] = value
    with pytest.raises(DataError, match=r"images\[1\] holds NaN or infinity"):
        opened(save(images=stored))


def test_given_test_images_are_the_test_split(save: Any) -> None:
    labels = np.arange(10)
    data = opened(save(images=GREY, labels=labels, test_images=GREY[:4], test_labels=labels[:4]))
    assert np.array_equal(data.train.pixels[:, 0], GREY)
    assert np.array_equal(data.test.pixels[:, 0], GREY[:4])
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [0, 1, 2, 3]


def test_class_names_are_kept(save: Any) -> None:
    assert opened(save(images=GREY, labels=np.arange(10) % 2, classes=["cat", "dog"])).classes == ("cat", "dog")


def test_arrays_saved_without_names_are_images_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, GREY)
    assert as_set(opened(path).everything().pixels) == as_set(GREY[:, None])
    assert not opened(path).classes
    np.savez(path, GREY, np.arange(10) % 2)
    data = opened(path)
    assert data.classes == ("0", "1")
    assert as_set(data.everything().pixels) == as_set(GREY[:, None])
    np.savez(path, GREY[:3], images=GREY)
    assert len(opened(path).everything()) == 10
    np.savez(path, GREY, GREY)
    with pytest.raises(DataError, match="arr_1 must be one row of integers"):
        opened(path)
    np.savez(path, GREY, labels=np.arange(10))
    with pytest.raises(DataError, match="no array 'images'; it has arr_0, labels"):
        opened(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.arange(10)}, "no array 'images'; it has labels"),
        ({"image": GREY}, "'image', which is not known. Did you mean 'images'"),
        (
            {"images": GREY.astype(np.int64)},
            r"must be uint8 or float in \[0, 1\], not int64: save .* images\.astype\('uint8'\)",
        ),
        ({"images": GREY[0]}, r"images has shape \(4, 5\)"),
        ({"images": RNG.integers(0, 256, (5, 3, 4, 3), dtype=np.uint8)}, "either the second or the last axis"),
        ({"images": RNG.integers(0, 256, (5, 4, 4, 4), dtype=np.uint8)}, "no axis is 1 or 3 channels"),
        ({"images": GREY[:0, None]}, r"images is empty, of shape \(0, 1, 4, 5\)"),
        ({"images": GREY, "labels": np.arange(9)}, "9 entries for 10 images"),
        ({"images": GREY, "labels": np.arange(10) / 2}, "must be one row of integers"),
        ({"images": GREY, "labels": np.arange(10) - 1}, "label -1 of image 0 is not in 0"),
        ({"images": GREY, "labels": np.arange(10), "classes": ["a", "b"]}, r"label 2 of image 2 is not in 0 \.\. 1"),
        ({"images": GREY, "labels": np.arange(10) * 2**40}, "label 1099511627776 of image 1"),
        ({"images": GREY, "classes": ["a", "b"]}, "classes but no labels"),
        ({"images": GREY, "labels": np.arange(10), "test_images": GREY}, "labels for one split only"),
        ({"images": GREY, "test_labels": np.arange(10)}, "test_labels but no test_images"),
        ({"images": GREY, "test_images": GREY[:, :3]}, "different shapes"),
    ],
)
def test_what_can_not_be_used_is_said(save: Any, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(save(**arrays))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("an object array was unpickled",))


@pytest.mark.parametrize("name", ["images", "labels", "classes"])
def test_object_arrays_are_never_unpickled(save: Any, name: str) -> None:
    arrays: dict[str, Any] = {"images": GREY, "labels": np.zeros(10, dtype=int)}
    arrays[name] = np.array([Trap()] * 10, dtype=object)
    with pytest.raises(DataError, match=name):
        opened(save(**arrays))


def test_a_truncated_file_is_named(save: Any) -> None:
    path = save(images=GREY)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"a\.npz is not a readable \.npz"):
        opened(path)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no"):
        opened(tmp_path / "none.npz")


def test_another_size_is_made_also_when_the_data_is_packed_already(save: Any) -> None:
    path = save(images=GREY)
    assert open_dataset(f"npz:{path}").info().shape == (1, 4, 5)
    assert open_dataset(f"npz:{path}", size=8).info().shape == (1, 8, 8)
    assert open_dataset(f"npz:{path}", size=(4, 5)).sha256 == open_dataset(f"npz:{path}").sha256


def test_files_are_not_chosen_in_an_array(save: Any) -> None:
    with pytest.raises(UsageError, match=r"no files to choose from by '\*\.png'.*PATH\?glob=PATTERN"):
        opened(save(images=GREY), glob="*.png")


def with_header(save: Any, member: str, **header: Any) -> Path:
    """A sound file, less the header of one array."""
    path: Path = save(images=GREY)
    with zipfile.ZipFile(path, "a") as file:
        claim = io.BytesIO()
        np.lib.format.write_array_header_1_0(claim, {"fortran_order": False, **header})
        file.writestr(f"{member}.npy", claim.getvalue())
    return path


def test_labels_that_claim_more_than_there_are_images_are_not_read(save: Any) -> None:
    path = with_header(save, "labels", descr="<i8", shape=(10**13,))
    with pytest.raises(DataError, match="labels has 10,000,000,000,000 entries for 10 images"):
        opened(path)


@pytest.mark.parametrize(("member", "descr", "count"), [("labels", "<i8", 10), ("classes", "<U10", 10**13)])
def test_no_memory_is_taken_on_the_word_of_a_header(save: Any, member: str, descr: str, count: int) -> None:
    with pytest.raises(DataError, match=f"{member} can't be read"):
        opened(with_header(save, member, descr=descr, shape=(count,)))


@pytest.mark.parametrize("text", [b"{'descr': '|u1', ((", b"{'descr': '|u1', 'shape': (01,)}", b"\xff"])
def test_a_header_that_does_not_parse_is_damaged(tmp_path: Path, text: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(DataError, match="images can't be read"):
        opened(tmp_path / "a.npz")


def test_memory_does_not_grow_with_the_images(save: Any) -> None:
    images = np.zeros((400, 64, 64, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(400) % 256
    path = save(images=images)
    tracemalloc.start()
    opened(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_500_000 < path.stat().st_size


def test_labels_of_whole_numbers_as_floats_are_read_and_texts_refused_with_the_way(save: Any) -> None:
    assert opened(save(images=GREY, labels=np.arange(10.0) % 3)).classes == ("0", "1", "2")
    with pytest.raises(DataError, match=r"must be one row of integers.*: save numpy.unique\(labels, return_inverse"):
        opened(save(images=GREY, labels=np.array(list("abcdefghij"))))
    with pytest.raises(DataError, match="must be one row of integers"):
        opened(save(images=GREY, labels=np.arange(10.0) / 3))
