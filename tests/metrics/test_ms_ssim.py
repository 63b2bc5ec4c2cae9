from __future__ import annotations

import pytest
from reconstructions import pair, tensors

from genkit.errors import Unmeasurable
from genkit.metrics.ms_ssim import ms_ssim
from genkit.metrics.numerics import reconstruction


def test_ms_ssim_is_torchmetrics_whatever_the_chunks(monkeypatch):
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    found = pair(n=5, shape=(3, 176, 180))
    monkeypatch.setattr(reconstruction, "_ROWS", 2)
    expected = multiscale_structural_similarity_index_measure(*tensors(found), data_range=1.0)
    score = ms_ssim(found)
    assert score.value == pytest.approx(float(expected), rel=1e-6)
    assert 0.5 < score.ci_low < score.value < score.ci_high < 1
    found.reconstructions = found.test_images
    assert ms_ssim(found).value == pytest.approx(1.0, abs=1e-6)


def test_negative_similarities_count_as_zero():
    found = pair(n=3, shape=(1, 176, 176))
    found.reconstructions = 1 - found.test_images
    score = ms_ssim(found)
    assert (score.value, score.ci_low) == (0.0, 0.0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 175, 300), (3, 300, 175)])
def test_images_too_small_for_five_scales_have_no_ms_ssim(shape):
    with pytest.raises(Unmeasurable, match=f"{shape[1]}x{shape[2]} are smaller than 176 pixels: at the last of its 5"):
        ms_ssim(pair(n=2, shape=shape))
