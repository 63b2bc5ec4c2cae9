"""Layers shared by all families."""

from __future__ import annotations

import pytest
import torch

from genkit.models.layers import Crop, halvings


def test_a_crop_keeps_the_upper_left() -> None:
    images = torch.arange(2 * 3 * 8 * 6.0).reshape(2, 3, 8, 6)
    assert torch.equal(Crop(5, 4)(images), images[:, :, :5, :4])


@pytest.mark.parametrize(
    ("size", "bounds", "expected"),
    [
        ((8, 8), {}, (1, 4, 4)),
        ((28, 28), {}, (2, 7, 7)),
        ((32, 32), {}, (3, 4, 4)),
        ((30, 21), {}, (2, 8, 6)),  # the shorter side decides
        ((3, 3), {}, (1, 2, 2)),
        ((8, 8), {"least": 2}, (2, 2, 2)),
        ((64, 64), {"most": 2}, (2, 16, 16)),
    ],
)
def test_an_image_is_halved_down_to_four_to_seven_pixels(size, bounds, expected) -> None:
    assert halvings(*size, **bounds) == expected


@pytest.mark.parametrize("size", [(5, 5), (28, 28), (30, 21), (33, 47)])
def test_doubling_what_is_left_covers_the_image(size) -> None:
    count, height, width = halvings(*size)
    assert height << count >= size[0] and width << count >= size[1]
