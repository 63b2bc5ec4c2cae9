from __future__ import annotations

import hashlib
import io
import os
import pickle

import numpy as np
import pytest
import torch

from genkit.errors import DataError, MissingError, UsageError
from genkit.features import load_extractor

architecture = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


class Untrained(architecture.FeatureExtractorInceptionV3):
    """torch-fidelity's network without the weights that its constructor wants."""

    def load_state_dict(self, state_dict, *args, **kwargs):
        del state_dict


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights in the published layout, scaled so that signals neither die nor explode."""
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Untrained("untrained", ["2048"], empty)
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 4:
                torch.nn.init.kaiming_normal_(tensor, nonlinearity="relu")
            elif name.endswith("bn.bias"):
                torch.nn.init.normal_(tensor, std=0.1)
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights):
    return load_extractor("inception", weights=weights)


def images(n, shape=(3, 32, 32)):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_torch_fidelitys(weights, extractor):
    peer = architecture.FeatureExtractorInceptionV3("peer", ["2048", "logits_unbiased"], str(weights))
    features, logits = peer(images(3))
    found = extractor(images(3))
    assert features.std(0).max() > 1e-3
    torch.testing.assert_close(found.features, features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.logits, logits, rtol=1e-5, atol=1e-5)


def test_the_size_of_the_batch_does_not_matter(extractor):
    whole = extractor(images(3)).features
    single = extractor(images(3)[2:]).features
    torch.testing.assert_close(single, whole[2:], rtol=1e-5, atol=1e-5)


def test_grey_images_are_repeated_to_three_channels(extractor):
    grey = images(2, (1, 8, 8))
    assert torch.equal(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


def test_small_images_are_resized_on_tensorflows_grid(extractor):
    seen = []
    handle = extractor.module.Conv2d_1a_3x3.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = images(1, (3, 8, 8))
    extractor(image)
    handle.remove()
    places = np.arange(299) * (8 / 299)
    low, part = places.astype(int), places % 1
    high = np.minimum(low + 1, 7)
    pixels = image[0].double().numpy()
    rows = pixels[:, low] * (1 - part)[:, None] + pixels[:, high] * part[:, None]
    expected = rows[:, :, low] * (1 - part) + rows[:, :, high] * part
    np.testing.assert_allclose(seen[0][0].numpy() * 128 + 128, expected, atol=1e-3)


def test_other_weights_than_the_published_have_another_name(weights, extractor):
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert extractor.name == f"inception-{sha256[:8]}"
    assert extractor.sha256 == extractor.choices()["weights"] == sha256


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (8, 8)])
def test_shapes_that_are_no_images_are_refused(extractor, shape):
    with pytest.raises(UsageError, match="1 or 3 channels"):
        extractor.accepts(shape)


class Malicious:
    """Runs a command when it is unpickled freely."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_malicious_file_is_refused_and_not_run(tmp_path, write):
    marker = tmp_path / "was-run"
    with open(tmp_path / "bad.pth", "wb") as file:
        write({"fc.weight": Malicious(marker)}, file)
    with pytest.raises(DataError, match=r"bad\.pth is not a file of Inception weights"):
        load_extractor("inception", weights=tmp_path / "bad.pth")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.pth is not a file of Inception weights"):
        load_extractor("inception", weights=tmp_path / "bad.pth")


def test_tensors_of_another_network_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth does not fit"):
        load_extractor("inception", weights=tmp_path / "other.pth")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"absent\.pth"):
        load_extractor("inception", weights=tmp_path / "absent.pth")


def test_without_weights_and_network_it_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(architecture, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    with pytest.raises(MissingError, match=r"weights-inception-2015-12-05-6726825d\.pth"):
        load_extractor("inception")
