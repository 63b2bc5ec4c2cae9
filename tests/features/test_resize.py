"""Each rule against the definition's numbers and the code of the reference that uses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from genkit.features.resize import RESIZES

LINE = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).view(1, 1, 1, 4)


def of_line(rule, size):
    square = LINE.repeat(1, 1, size, 1)
    return RESIZES[rule](square, size)[0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("tf1", [0, 127.5, 255, 127.5, 0, 127.5, 255, 255]),
        ("bilinear", [0, 63.75, 191.25, 191.25, 63.75, 63.75, 191.25, 255]),
        ("bilinear-antialias", [0, 63.75, 191.25, 191.25, 63.75, 63.75, 191.25, 255]),
    ],
)
def test_four_levels_become_eight_as_defined(rule, expected):
    assert of_line(rule, 8) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("tf1", [0, 0]), ("bilinear", [127.5, 127.5]), ("bilinear-antialias", [109.2857, 145.7143])],
)
def test_four_levels_become_two_as_defined(rule, expected):
    assert of_line(rule, 2) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 17, 400), (3, 299, 299), (3, 340, 310)])
def test_the_tensorflow_grid_is_torch_fidelitys_bit_for_bit(draw, shape):
    compat = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    images = draw(2, shape)
    peer = compat.interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(299, 299), align_corners=False)
    assert torch.equal(RESIZES["tf1"](images, 299), peer)


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 500, 333)])
def test_bilinear_is_pytorch_fids_call(draw, shape):
    images = draw(2, shape)
    peer = F.interpolate(images.float() / 255, size=(299, 299), mode="bilinear", align_corners=False)
    torch.testing.assert_close(RESIZES["bilinear"](images, 299) / 255, peer, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 500, 333)])
def test_bilinear_antialias_is_torchmetrics_call(draw, shape):
    images = draw(2, shape)
    peer = F.interpolate(images.float(), size=(299, 299), mode="bilinear", align_corners=False, antialias=True)
    assert torch.equal(RESIZES["bilinear-antialias"](images, 299), peer)


def clean_fid(image):
    """clean-fid's resizer of an image [H, W, 3], from its published rule."""
    channels = [np.asarray(Image.fromarray(image[..., c].astype(np.float32)).resize((299, 299), 3)) for c in range(3)]
    return np.stack([channel.clip(0, 255) for channel in channels])


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 500, 333)])
def test_pil_bicubic_is_clean_fids(draw, shape):
    images = draw(2, shape)
    expected = np.stack([clean_fid(image.permute(1, 2, 0).numpy()) for image in images])
    np.testing.assert_array_equal(RESIZES["pil-bicubic"](images, 299).numpy(), expected)


def test_pil_bicubic_clips_its_overshoot():
    found = RESIZES["pil-bicubic"](LINE.repeat(1, 3, 4, 1), 16)
    assert found.min() == 0
    assert found.max() == 255


@pytest.mark.parametrize("rule", RESIZES)
def test_an_image_of_the_right_size_is_left_alone(draw, rule):
    images = draw(2, (3, 20, 20))
    torch.testing.assert_close(RESIZES[rule](images, 20), images.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("rule", RESIZES)
def test_images_do_not_touch_each_other(draw, rule):
    images = draw(3, (3, 40, 24))
    assert torch.equal(RESIZES[rule](images, 30)[1:2], RESIZES[rule](images[1:2], 30))


@pytest.mark.parametrize("rule", RESIZES)
def test_size_is_height_and_width_and_levels_keep_their_range(draw, rule):
    found = RESIZES[rule](draw(2, (1, 9, 30)), 12)
    assert found.shape == (2, 1, 12, 12)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() <= 255
