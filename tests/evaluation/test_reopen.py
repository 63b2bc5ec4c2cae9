from __future__ import annotations

import pytest

from genkit.evaluation.reopen import extractor_choices, extractor_name

SHA = "0123456789abcdef"


@pytest.mark.parametrize(
    ("recorded", "more", "name"),
    [
        ("inception", {}, "inception"),
        ("inception-64-01234567", {}, "inception-64"),
        ("dinov2", {"architecture": "vit-l-14"}, "dinov2"),
        ("dinov2-vit-b-14", {"architecture": "vit-b-14"}, "dinov2"),
        ("dinov2-vit-b-14-01234567", {"architecture": "vit-b-14"}, "dinov2"),
        ("clip-01234567", {"architecture": "ViT-B-32"}, "clip"),
        ("digits-cnn", {}, "digits-cnn"),
    ],
)
def test_a_recorded_extractor_is_loaded_by_its_own_name(recorded, more, name):
    assert extractor_name({"extractor": recorded, "sha256": SHA, **more}) == name


def test_of_what_is_recorded_only_what_the_extractor_offers_is_asked_for_again():
    features = {"extractor": "inception-64-01234567", "sha256": SHA, "resize": "tf1", "layer": "64", "weights": SHA}
    assert extractor_choices(features) == {"resize": "tf1"}
    assert extractor_choices({"extractor": "pixels", "sha256": "none", "resize": "none", "layer": "pixels"}) == {}
