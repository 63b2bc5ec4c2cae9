"""Corrupted images: really corrupted, as many, the same each time, and nothing else of them changed."""

from __future__ import annotations

import numpy as np
import pytest

from genkit.data.corrupted import blurred, jpeg
from genkit.data.dataset import Split


def photos(side: int = 28, channels: int = 1, n: int = 6, levels: int = 256) -> Split:
    """Return images of noise, which every corruption changes."""
    pixels = np.random.default_rng(0).integers(0, levels, (n, channels, side, side)).astype(np.uint8)
    return Split("test", pixels, np.arange(n), levels)


def roughness(images: np.ndarray) -> float:
    """Return the mean difference of pixels side by side."""
    return float(np.abs(np.diff(images.astype(np.float64), axis=3)).mean())


@pytest.mark.parametrize(("side", "sigma", "most"), [(28, 1.0, 0.4), (8, 0.2857, 0.95), (64, 2.2857, 0.2)])
def test_blurred_images_are_smoother_and_as_bright(side: int, sigma: float, most: float) -> None:
    split = photos(side, n=200)
    before, after = split.uint8(slice(None)), blurred(split, sigma).uint8(slice(None))
    assert after.shape == before.shape
    assert roughness(after) < most * roughness(before)
    assert after.mean() == pytest.approx(before.mean(), abs=1.5)


def test_a_flat_image_has_nothing_to_blur() -> None:
    flat = Split("test", np.full((2, 3, 8, 8), 77, np.uint8), None)
    assert np.array_equal(blurred(flat, 2.0).uint8(slice(None)), flat.pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_the_same_each_time_and_worse_at_lower_quality(channels: int) -> None:
    split = photos(channels=channels)
    original = split.uint8(slice(None)).astype(np.float64)
    low, high = (jpeg(split, quality).uint8(slice(None)) for quality in (10, 90))
    assert low.shape == split.pixels.shape
    assert np.array_equal(low, jpeg(split, 10).uint8(slice(None)))
    assert np.abs(low - original).mean() > 1.2 * np.abs(high - original).mean() > 0


@pytest.mark.parametrize(
    "corrupted", [blurred(photos(levels=17), 1.0), jpeg(photos(levels=17), 10)], ids=["blur", "jpeg"]
)
def test_images_of_few_levels_are_harmed_as_they_are_seen_whichever_way_they_are_read(corrupted: Split) -> None:
    whole = corrupted.uint8(slice(None))
    assert whole.max() > 100
    assert np.array_equal(corrupted.uint8(np.array([4, 1])), whole[[4, 1]])
    assert np.array_equal(corrupted.images(slice(2, 5)).mul(255).round().numpy(), whole[2:5])
    assert corrupted.labels is not None and corrupted.labels.tolist() == list(range(6))


def test_the_split_is_left_as_it_is_and_the_name_tells_them_apart() -> None:
    split = photos()
    before = split.pixels.copy()
    made = [blurred(split, 1.0), blurred(split, 2.0), jpeg(split, 10)]
    for each in made:
        each.uint8(slice(None))
    assert np.array_equal(split.pixels, before)
    assert len({split.name, *(each.name for each in made)}) == 4
