"""Images as arrays, tensors and lists are compared like those of files, or refused with the forms that are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from genkit.data import Split, open_images
from genkit.errors import DataError, UsageError
from genkit.evaluation.compare import compare

RANDOM = np.random.RandomState(0)
SAMPLES = RANDOM.randint(0, 256, (40, 3, 8, 8)).astype(np.uint8)
REFERENCE = RANDOM.randint(0, 200, (45, 3, 8, 8)).astype(np.uint8)
ASKED = {"features": "random-conv", "metrics": "fid,kid"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, images in (("samples", SAMPLES), ("reference", REFERENCE)):
        np.savez(folder / f"{name}.npz", images=images)
    record = compare(folder / "samples.npz", folder / "reference.npz", **ASKED).record
    return [score.value for score in record.scores], open_images(str(folder / "reference.npz")).sha256


@pytest.mark.parametrize(
    "form",
    [
        lambda images: images,
        lambda images: images.transpose(0, 2, 3, 1),
        lambda images: images.astype(np.float32) / 255,
        torch.tensor,
        lambda images: torch.tensor(images).permute(0, 2, 3, 1) / 255,
        list,
        lambda images: [torch.tensor(each) for each in images],
        lambda images: [Image.fromarray(each.transpose(1, 2, 0)) for each in images],
        lambda images: (images, np.arange(len(images)) % 3),
        lambda images: Split("some", images, None),
    ],
    ids=["array", "last", "float", "tensor", "float tensor", "list", "tensors", "pillow", "labelled", "split"],
)
def test_images_in_memory_give_the_numbers_of_their_file(expected, form):
    values, _ = expected
    record = compare(form(SAMPLES), form(REFERENCE), **ASKED).record
    assert [score.value for score in record.scores] == values


def test_the_content_hash_is_that_of_the_file(expected):
    record = compare(SAMPLES, REFERENCE, **ASKED).record
    assert record.protocol["data"]["sha256"] == expected[1]
    assert record.dataset == f"array-{expected[1][:12]}"


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (SAMPLES.reshape(40, -1), UsageError, "or compare features by genkit.metrics.frechet_distance"),
        (SAMPLES[0], UsageError, "one colour image or grey ones: add an axis"),
        (SAMPLES[None], UsageError, r"no set of images: give a path, a data set or an array \[N, C, H, W\]"),
        (None, UsageError, "samples must be a path, a data set or one array"),
        (3, UsageError, "no set of images"),
        ({"images": SAMPLES}, UsageError, "no set of images"),
        ([SAMPLES[0], SAMPLES[1][:, :4]], UsageError, "samples must be a path, a data set or one array"),
        (SAMPLES / 127.5 - 1, DataError, r"samples: images\[0\] has values from -"),
        (SAMPLES[:0], DataError, "samples: images is empty"),
    ],
)
def test_what_is_no_set_of_images_is_refused_with_the_right_form(images, error, words):
    with pytest.raises(error, match=words):
        compare(images, REFERENCE, **ASKED)


def test_a_split_of_several_sizes_is_no_reference_by_its_pixels_alone(tmp_path):
    for index in range(4):
        Image.fromarray(SAMPLES[index, 0, index:]).save(tmp_path / f"{index}.png")
    split = open_images(str(tmp_path), decoding="rgb").everything()
    with pytest.raises(UsageError, match="reference has images of several sizes: give the data set"):
        compare(SAMPLES, split, **ASKED)
