"""Texts in pictures."""

from __future__ import annotations

import numpy as np
import pytest

from genkit.data.images import grid
from genkit.data.lettering import MARGIN, MOST_LINES, SIZE, captioned_grid, captioned_size, strip

LINE = SIZE + MARGIN


@pytest.mark.parametrize("channels", [1, 3])
def test_each_caption_stands_above_its_own_images(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 255, (6, channels, 8, 8), np.uint8)
    sheet = captioned_grid(images, ["a red 7", "a blue 3"], 3)
    rows = grid(images[0::2], 3)
    head = sheet.shape[0] // 2 - rows.shape[0]
    assert head == LINE + MARGIN
    np.testing.assert_array_equal(sheet[head : head + len(rows)], rows)
    np.testing.assert_array_equal(sheet[-len(rows) :], grid(images[1::2], 3))
    assert (sheet[:head] < 100).any()  # letters
    assert captioned_size(6, (8, 8), ["a red 7", "a blue 3"], 3) == sheet.shape[:2]


@pytest.mark.parametrize("text", ["", " ", "😀", "七", "a\x1b[31m\n\u202eb", "\udcff", "word " * 400, "x" * 4000])
@pytest.mark.parametrize("width", [20, 640])
def test_any_text_fits(text: str, width: int) -> None:
    found = strip(text, width, 3)
    assert found.shape[1:] == (width, 3) and found.dtype == np.uint8
    assert found.shape[0] <= MOST_LINES * LINE + MARGIN
    assert found.shape[0] > LINE
