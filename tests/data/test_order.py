"""A set split by content remembers the order in which its source has the images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from genkit.data import open_dataset
from genkit.evaluation.samples import SplitImages


@pytest.mark.parametrize("count", [40, 3])
def test_samples_come_in_the_order_of_their_files(tmp_path, count):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index:03d}.png")
    data = open_dataset(f"folder:{tmp_path}")
    assert not np.array_equal(data.everything().uint8(slice(None))[:, 0], images) or count < 5
    samples = SplitImages(data.everything(), count, 7, content=data.sha256)
    found = np.concatenate([images_.numpy() for images_ in samples.chunks()])
    np.testing.assert_array_equal(found[:, 0], images)
