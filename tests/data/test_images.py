from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from genkit.data.images import grid, in_range, png, quantize, save_grid
from genkit.errors import PluginError


def test_quantisation_rounds_half_to_even_and_clips():
    values = torch.tensor([-1.0, 0.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 0.999, 1.0, 7.0], dtype=torch.float64)
    assert quantize(values).tolist() == [0, 0, 0, 2, 2, 255, 255, 255]


def test_quantisation_inverts_every_level():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(quantize(levels.float() / 255), levels)


def test_quantisation_leaves_its_input_alone():
    images = torch.full((1, 1, 2, 2), 2.0, requires_grad=True)
    assert quantize(images).max() == 255
    assert images.max() == 2.0


def test_a_grid_goes_row_by_row_in_whole_pixels():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(2, 2).repeat(2, 3) * 50
    sheet = grid(images, 3, width=9)
    assert sheet.shape == (10, 14, 1)
    assert sheet[2, [2, 6, 10], 0].tolist() == [0, 50, 100]
    assert sheet[6, [2, 6, 10], 0].tolist() == [150, 200, 255]
    assert grid(images, 3, width=90).shape[1] > 60


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_a_png_keeps_every_pixel(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    again = np.asarray(Image.open(io.BytesIO(png(pixels))))
    assert np.array_equal(again, pixels.reshape(again.shape))


def test_colour_is_not_swapped(tmp_path):
    image = torch.zeros(1, 3, 2, 2)
    image[:, 0] = 1
    save_grid(image, tmp_path / "x.png", columns=1)
    assert np.asarray(Image.open(tmp_path / "x.png"))[100, 100].tolist() == [255, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_no_image(value):
    images = torch.full((2, 1, 4, 4), 0.5)
    images[1, 0, 2, 3] = value
    with pytest.raises(PluginError, match="samples of Toy hold values that are not finite"):
        in_range(images, "samples of Toy")


@pytest.mark.parametrize("images", [torch.tensor([-1.0, 0.9]), torch.tensor([0.0, 1.01]), torch.tensor([0, 255])])
def test_another_range_is_not_cut_off(images):
    low, high = images.aminmax()
    with pytest.raises(PluginError, match=f"values from {low:.4g} to {high:.4g}, outside"):
        in_range(images, "samples of Toy")


def test_what_rounding_leaves_outside_is_clipped():
    assert in_range(torch.tensor([-1e-4, 0.5, 1 + 1e-4]), "").tolist() == [0, 0.5, 1]
