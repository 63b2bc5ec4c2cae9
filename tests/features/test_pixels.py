from __future__ import annotations

import pytest
import torch

from genkit.errors import UsageError
from genkit.features.extractor import FeatureRequest
from genkit.features.pixels import pixels


def test_features_are_the_levels_in_order(draw):
    images = draw(5, (3, 4, 6))
    found = pixels(FeatureRequest("pixels"))(images)
    assert found.logits is None
    assert torch.equal(found.features, images.reshape(5, 72).float() / 255)


def test_the_largest_images_are_of_4096_numbers(draw):
    extractor = pixels(FeatureRequest("pixels"))
    assert extractor(draw(1, (1, 64, 64))).features.shape == (1, 4096)
    with pytest.raises(UsageError, match="pixels takes at most 4,096 values per image, and 1x17x241 is 4,097"):
        extractor(draw(1, (1, 17, 241)))


def test_weights_and_choices_are_refused(tmp_path):
    with pytest.raises(UsageError, match="pixels has no weights"):
        pixels(FeatureRequest("pixels", tmp_path / "x"))
    with pytest.raises(UsageError, match="pixels has no choice 'resize'"):
        pixels(FeatureRequest("pixels", choices={"resize": "tf1"}))
