from __future__ import annotations

import pytest
from reconstructions import pair, tensors

from genkit.errors import Unmeasurable
from genkit.metrics.psnr import psnr


def test_psnr_is_torchmetrics_with_one_ratio_per_image():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    found = pair()
    expected = peak_signal_noise_ratio(*tensors(found), data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
    assert psnr(found).value == pytest.approx(float(expected), rel=1e-6)
    assert psnr(found).n == 300


def test_psnr_of_an_image_that_comes_back_exactly_is_no_number():
    found = pair()
    found.reconstructions[7] = found.test_images[7]
    with pytest.raises(Unmeasurable, match="1 images are reconstructed exactly"):
        psnr(found)
