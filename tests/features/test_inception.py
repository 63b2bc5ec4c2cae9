from __future__ import annotations

import hashlib
import itertools

import pytest
import torch
import torch.nn.functional as F

from genkit.errors import DataError, MissingError, UsageError
from genkit.features import inception as module
from genkit.features import load_extractor, manifest
from genkit.features.extractor import FeatureRequest
from genkit.features.inception import CHOICES

architecture = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

LAYERS = {
    "64": module.inception_64,
    "192": module.inception_192,
    "768": module.inception_768,
    "2048": module.inception,
}


@pytest.fixture(scope="module")
def extractor(inception_weights):
    return load_extractor("inception", weights=inception_weights)


@pytest.fixture(scope="module")
def peer(inception_weights):
    """torch-fidelity's extractor of all layers."""
    names = ["64", "192", "768", "2048", "logits_unbiased", "logits"]
    return architecture.FeatureExtractorInceptionV3("peer", names, str(inception_weights))


def close(found, expected):
    """Equal to 1e-5 of the largest feature."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_features_and_logits_are_torch_fidelitys_at_every_layer(inception_weights, peer, draw):
    images = draw(3)
    *features, unbiased, biased = peer(images)
    for (layer, build), expected in zip(LAYERS.items(), features, strict=True):
        found = build(FeatureRequest("any", inception_weights))(images)
        close(found.features, expected)
        assert found.features.shape == (3, int(layer))
        if layer != "2048":
            assert found.logits is None
    close(found.logits, unbiased)
    close(load_extractor("inception", weights=inception_weights, choices={"logits": "biased"})(images).logits, biased)


def test_the_network_sees_what_pytorch_fids_would(inception_weights, draw):
    choices = {"resize": "bilinear", "normalisation": "127.5"}
    extractor = module.inception_64(FeatureRequest("inception-64", inception_weights, choices=choices))
    images = draw(2, (3, 320, 50))
    unit = F.interpolate(images.float() / 255, size=(299, 299), mode="bilinear", align_corners=False)
    expected, _ = extractor.module(2 * unit - 1)
    close(extractor(images).features, expected)


def test_torchmetrics_module_gives_the_same_features(inception_weights, draw):
    fid = pytest.importorskip("torchmetrics.image.fid")
    network = fid.NoTrainInceptionV3("peer", ["64"], str(inception_weights))
    choices = {"resize": "bilinear-antialias"}
    extractor = module.inception_64(FeatureRequest("inception-64", inception_weights, choices=choices))
    images = draw(2, (3, 20, 400))
    close(extractor(images).features, network(images))


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_the_batch_nor_the_threads_change_features(extractor, draw, threads):
    images = draw(5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = extractor(images).features
    finally:
        torch.set_num_threads(before)
    single = torch.cat([extractor(images[i : i + 1]).features for i in (1, 4)])
    close(single, whole[[1, 4]])


def test_grey_images_are_repeated_to_three_channels(extractor, draw):
    grey = draw(2, (1, 8, 8))
    assert torch.equal(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


def test_every_choice_is_recorded_and_makes_another_protocol(inception_weights):
    seen = []
    for resize, normalisation, logits in itertools.product(
        *(CHOICES[k] for k in ("resize", "normalisation", "logits"))
    ):
        choices = {"resize": resize, "normalisation": normalisation, "logits": logits}
        made = module.Inception("inception", "0" * 64, Hollow("2048"), {**choices, "precision": "float32"}, "cpu")
        assert made.choices() == {**choices, "precision": "float32", "layer": "2048", "weights": "0" * 64}
        seen.append(tuple(made.choices().items()))
    assert len(set(seen)) == len(seen) == 16


class Hollow(torch.nn.Module):
    """Stands in for the network where only its name is looked at."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.classifier = torch.zeros(1) if layer == "2048" else None


def test_a_layer_without_logits_records_no_choice_of_them():
    chosen = {key: values[0] for key, values in CHOICES.items()}
    lower = module.Inception("inception-64", "0" * 64, Hollow("64"), chosen, "cpu")
    assert not lower.has_logits
    assert "logits" not in lower.choices()


def test_what_is_recorded_can_be_asked_for_again(inception_weights):
    choices = {"resize": "pil-bicubic", "precision": "bfloat16"}
    made = module.inception_64(FeatureRequest("inception-64", inception_weights, choices=choices))
    recorded = {key: value for key, value in made.choices().items() if key in CHOICES}
    again = module.inception_64(FeatureRequest("inception-64", inception_weights, choices=recorded))
    assert again.choices() == made.choices()


def test_the_defaults_are_torch_fidelitys(extractor):
    chosen = {key: extractor.choices()[key] for key in CHOICES}
    assert chosen == {"resize": "tf1", "normalisation": "128", "logits": "unbiased", "precision": "float32"}


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"resize": "nearest"}, "choose tf1, bilinear"),
        ({"size": "299"}, "no choice 'size'"),
        ({"precision": "tf32"}, "GPU"),
    ],
)
def test_choices_that_can_not_be_are_refused_before_any_weights_are_read(choices, words):
    with pytest.raises(UsageError, match=words):
        load_extractor("inception", choices=choices)


def test_bfloat16_is_near_but_not_float32(inception_weights, draw):
    extractors = [
        module.inception_64(FeatureRequest("inception-64", inception_weights, choices={"precision": precision}))
        for precision in ("float32", "bfloat16")
    ]
    exact, rough = (found(draw(2)).features for found in extractors)
    assert rough.dtype == torch.float32
    assert 1e-5 < float((rough - exact).norm() / exact.norm()) < 2e-2


def test_other_weights_than_the_published_have_another_name(inception_weights, extractor):
    sha256 = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    assert extractor.name == f"inception-{sha256[:8]}"
    assert extractor.sha256 == extractor.choices()["weights"] == sha256
    assert module.inception_64(FeatureRequest("x", inception_weights)).name == f"inception-64-{sha256[:8]}"


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (8, 8)])
def test_shapes_that_are_no_images_are_refused(extractor, shape):
    with pytest.raises(UsageError, match="1 or 3 channels"):
        extractor.accepts(shape)


def test_tensors_of_another_network_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(
        DataError, match=r"other\.pth does not fit the published Inception-v3: Conv2d_1a_3x3\.conv\.weight is missing"
    ):
        load_extractor("inception", weights=tmp_path / "other.pth")


def test_without_weights_and_network_it_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    unreachable = [
        manifest.WeightsFile("inception", "weights-inception.pth", ("http://127.0.0.1:9/w",), "0" * 64, 1, "", "")
    ]
    monkeypatch.setattr(manifest, "WEIGHTS", unreachable)
    with pytest.raises(
        MissingError, match=r"--weights FILE, or put it at .*weights-inception\.pth \(genkit weights add"
    ):
        load_extractor("inception")
