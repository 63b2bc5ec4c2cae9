from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from evidences import evidence

from genkit.errors import DataError, Unmeasurable
from genkit.features import manifest
from genkit.metrics import perceptual
from genkit.metrics.evidence import Features
from genkit.metrics.frechet import frechet_distance
from genkit.metrics.lpips import lpips
from genkit.metrics.mse import mse
from genkit.metrics.perceptual import ALEX, VGG
from genkit.metrics.ppl import ppl
from genkit.metrics.psnr import psnr
from genkit.metrics.rfid import rfid
from genkit.metrics.ssim import ssim


def pair(n=300, shape=(1, 16, 16), noise=0.1):
    rng = np.random.default_rng(0)
    images = rng.random((n, *shape), dtype=np.float32)
    moved = np.clip(images + noise * rng.standard_normal(images.shape), 0, 1).astype(np.float32)
    return evidence(test_images=images, reconstructions=moved)


def tensors(found):
    return torch.from_numpy(found.reconstructions), torch.from_numpy(found.test_images)


def test_psnr_is_torchmetrics_with_one_ratio_per_image():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    found = pair()
    expected = peak_signal_noise_ratio(*tensors(found), data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
    assert psnr(found).value == pytest.approx(float(expected), rel=1e-6)
    assert psnr(found).n == 300


def test_psnr_of_an_image_that_comes_back_exactly_is_no_number():
    found = pair()
    found.reconstructions[7] = found.test_images[7]
    with pytest.raises(Unmeasurable, match="1 images come back exactly"):
        psnr(found)


def test_mse_of_other_shapes_is_refused():
    found = pair()
    found.reconstructions = found.reconstructions[:1]
    with pytest.raises(DataError, match="reconstructions have shape"):
        mse(found)


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


def test_rfid_is_the_distance_of_reconstructions_from_the_test_images():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((80, 5)), rng.standard_normal((80, 5)) * 1.2
    assert rfid(evidence(reconstructed=(Features(one), Features(two)))) == frechet_distance(one, two)


@pytest.fixture
def backbones(tmp_path, monkeypatch):
    """Random weights in torchvision's layout, in the cache, and a manifest of their hashes."""
    from torchvision.models import alexnet, vgg16

    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    made, files = {}, []
    for given, network in ((ALEX, alexnet), (VGG, vgg16)):
        torch.manual_seed(0)
        state = {k: v for k, v in network(weights=None).state_dict().items() if k.startswith("features.")}
        path = manifest.find(given.weights).path
        path.parent.mkdir(exist_ok=True)
        torch.save(state, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(dataclasses.replace(manifest.find(given.weights), sha256=sha256))
        made[given.net] = state
    monkeypatch.setattr(manifest, "WEIGHTS", tuple(files))
    return made


@pytest.mark.slow
def test_lpips_is_torchmetrics_over_the_backbone_in_the_cache(backbones):
    from torchmetrics.functional.image.lpips import _LPIPS

    found = pair(n=6, shape=(1, 16, 16))
    network = _LPIPS(pretrained=True, net="alex", pnet_rand=True, resize=64)
    state = backbones["alex"]
    convolutions = [m for m in network.net.modules() if isinstance(m, torch.nn.Conv2d)]
    for layer, number in zip(convolutions, (0, 3, 6, 8, 10), strict=True):
        layer.weight.data.copy_(state[f"features.{number}.weight"])
        layer.bias.data.copy_(state[f"features.{number}.bias"])
    one, two = (part.expand(-1, 3, -1, -1) * 2 - 1 for part in tensors(found))
    with torch.no_grad():
        expected = float(network(one, two).mean())
    assert lpips(found).value == pytest.approx(expected, rel=1e-5)
    found.reconstructions = found.test_images
    assert lpips(found).value == 0


@pytest.mark.slow
def test_path_length_falls_to_zero_for_a_generator_that_does_not_move(backbones):
    class Model:
        device = torch.device("cpu")

        def __init__(self, scale):
            self.scale = scale

        def eval(self):
            return self

        def draw_latent(self, n, *, generator):
            return torch.randn(n, 8, generator=generator)

        def decode(self, latent):
            noise = torch.Generator().manual_seed(1)
            still, directions = torch.rand(1, 256, generator=noise), torch.randn(8, 256, generator=noise)
            return (still + self.scale * latent @ directions).clamp(0, 1).view(-1, 1, 16, 16)

    def measured(scale):
        samples = type("S", (), {"seed": 0})
        parameters = {"pairs": 16, "epsilon": 1e-2}
        return ppl(evidence(model=Model(scale), samples=samples, parameters=parameters)).value

    assert measured(0.0) == 0
    assert 0 < measured(0.01) < measured(0.05)
    assert measured(0.01) == measured(0.01)


def test_a_missing_backbone_says_where_to_put_it_and_a_damaged_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    with pytest.raises(Unmeasurable, match=r"alexnet-owt-7be5be79\.pth: genkit weights add alexnet FILE"):
        lpips(pair(n=3))
    (tmp_path / "weights").mkdir()
    manifest.find(ALEX.weights).path.write_bytes(b"other")
    with pytest.raises(DataError, match="sha256 differs"):
        perceptual.similarity(ALEX)
