from __future__ import annotations

import pytest
import torch

from genkit.errors import DataError, MissingError, UsageError
from genkit.features.extractor import FeatureRequest
from genkit.features.inception_torchvision import inception_torchvision

models = pytest.importorskip("torchvision.models")


@pytest.fixture(scope="module")
def peer(inception_state):
    """torchvision's network as it stands when it is asked for its own weights, here with random ones."""
    network = models.inception_v3(weights=None, aux_logits=True, transform_input=True, init_weights=False)
    body = {name: tensor for name, tensor in inception_state.items() if not name.startswith("fc.")}
    network.load_state_dict(body, strict=False)
    return network.eval()


@pytest.fixture(scope="module")
def weights(peer, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "torchvision.pth"
    torch.save(peer.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights):
    return inception_torchvision(FeatureRequest("inception-torchvision", weights))


@torch.inference_mode()
def test_logits_are_torchvisions_after_its_own_transforms(extractor, peer, draw):
    from torchvision.transforms.v2 import functional as transforms

    images = draw(2, (3, 40, 40))
    resized = transforms.resize(images.float() / 255, [299, 299], antialias=True)
    expected = peer(transforms.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    found = extractor(images)
    torch.testing.assert_close(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert found.features.shape == (2, extractor.dim)
    torch.testing.assert_close(found.features @ peer.fc.weight.T + peer.fc.bias, found.logits, rtol=1e-4, atol=1e-5)


def test_grey_images_are_repeated_to_three_channels(extractor, draw):
    grey = draw(1, (1, 8, 8))
    assert torch.equal(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


def test_the_weights_stand_in_name_and_choices(extractor):
    assert extractor.name == f"inception-torchvision-{extractor.sha256[:8]}"
    assert extractor.choices()["weights"] == extractor.sha256


def test_weights_are_asked_for():
    with pytest.raises(MissingError, match=r"inception_v3_google-0cc3c7bd\.pth: give it with --weights"):
        inception_torchvision(FeatureRequest("inception-torchvision"))


def test_the_published_fids_weights_are_refused(inception_weights):
    with pytest.raises(DataError, match="does not fit torchvision's Inception-v3"):
        inception_torchvision(FeatureRequest("inception-torchvision", inception_weights))


def test_choices_are_refused(weights):
    with pytest.raises(UsageError, match="no choice 'resize'"):
        inception_torchvision(FeatureRequest("inception-torchvision", weights, choices={"resize": "tf1"}))
