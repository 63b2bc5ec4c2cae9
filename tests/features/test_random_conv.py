from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from genkit.errors import UsageError
from genkit.features.extractor import FeatureRequest
from genkit.features.random_conv import network, random_conv
from genkit.metrics import frechet_distance

SHA256 = "ebecc5c5dcf87050b46b71b30b64d5a899242aaec953561ee3375cce27078066"


@pytest.fixture(scope="module")
def extractor():
    return random_conv(FeatureRequest("random-conv"))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 8, 8), (3, 5, 9), (3, 64, 40)])
def test_any_grey_or_colour_image_gives_64_features(extractor, draw, shape):
    found = extractor(draw(3, shape))
    assert found.features.shape == (3, extractor.dim) == (3, 64)
    assert found.logits is None
    assert found.features.isfinite().all()


def test_the_weights_are_the_same_everywhere_whatever_the_global_seed(extractor):
    torch.manual_seed(99)
    again = random_conv(FeatureRequest("random-conv"))
    assert extractor.sha256 == again.sha256 == SHA256


def test_weights_of_another_seed_have_another_hash(extractor, monkeypatch):
    monkeypatch.setattr("genkit.features.random_conv.derive", lambda *_: 1)
    assert random_conv(FeatureRequest("random-conv")).sha256 != extractor.sha256


def test_making_it_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    network()
    assert torch.equal(torch.get_rng_state(), before)


def test_grey_images_are_repeated_to_three_channels(extractor, draw):
    grey = draw(2, (1, 8, 8))
    assert torch.equal(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


@pytest.mark.parametrize("damage", ["noise", "blur"])
def test_the_distance_grows_with_damage(extractor, draw, damage):
    smooth = F.interpolate(draw(400, (3, 4, 4)).float(), (16, 16), mode="bicubic").clamp(0, 255)
    noise = draw(400, (3, 16, 16), seed=1).float() - 127.5
    damaged = {
        "noise": [smooth + share * noise for share in (0, 0.1, 0.3, 1)],
        "blur": [blur(smooth, radius) for radius in (0, 1, 2, 4)],
    }[damage]
    reference = extractor(smooth.to(torch.uint8)).features
    distances = [
        frechet_distance(reference, extractor(images.clamp(0, 255).to(torch.uint8)).features).value
        for images in damaged
    ]
    assert distances == sorted(distances)
    assert distances[1] > distances[0] + 1e-6


def blur(images, radius):
    return F.avg_pool2d(images, 2 * radius + 1, 1, radius, count_include_pad=False)


def test_weights_and_choices_are_refused(tmp_path):
    with pytest.raises(UsageError, match="makes its own weights"):
        random_conv(FeatureRequest("random-conv", tmp_path / "x"))
    with pytest.raises(UsageError, match="no choice 'resize'"):
        random_conv(FeatureRequest("random-conv", choices={"resize": "tf1"}))
