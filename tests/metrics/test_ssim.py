from __future__ import annotations

import pytest
from reconstructions import pair, tensors

from genkit.errors import Unmeasurable
from genkit.metrics.ssim import ssim


def test_ssim_is_torchmetrics_whatever_the_chunks():
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = pair()
    expected = structural_similarity_index_measure(*tensors(found), data_range=1.0)
    assert ssim(found).value == pytest.approx(float(expected), rel=1e-5)
    found.reconstructions = found.test_images
    assert ssim(found).value == pytest.approx(1.0, abs=1e-6)


def test_images_smaller_than_the_window_have_no_ssim():
    with pytest.raises(Unmeasurable, match="8x8 are smaller than its window of 11"):
        ssim(pair(shape=(1, 8, 8)))
