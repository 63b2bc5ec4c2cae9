"""dinov2 and clip by tiny networks with random weights; without their libraries, only the refusals.

Tests backbones and normalisation of genkit.features.
"""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genkit.errors import DataError, MissingError, UsageError
from genkit.features import backbones, manifest
from genkit.features.backbones import clip, dinov2
from genkit.features.extractor import FeatureRequest, offered_by
from genkit.files.integrity import sha256_file


@pytest.fixture
def timm(monkeypatch):
    """timm, with a tiny architecture among those of DINOv2."""
    library = pytest.importorskip("timm")
    monkeypatch.setattr(backbones, "DINOV2", {"tiny": "test_vit", **backbones.DINOV2})
    monkeypatch.setitem(offered_by(dinov2), "architecture", tuple(backbones.DINOV2))
    return library


@pytest.fixture
def dino_weights(timm, tmp_path):
    """A file in Meta's layout, which has a token for masks that timm's network lacks."""
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=0, img_size=224)
    torch.save({**network.state_dict(), "mask_token": torch.zeros(1, 64)}, tmp_path / "dino.pth")
    return tmp_path / "dino.pth", network.eval()


@pytest.fixture
def open_clip(monkeypatch, tmp_path):
    """open_clip, with a tiny architecture among those of CLIP."""
    library = pytest.importorskip("open_clip")
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8, "head_width": 32}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "tiny-clip.json").write_text(json.dumps(config))
    library.add_model_config(tmp_path / "tiny-clip.json")
    monkeypatch.setitem(offered_by(clip), "architecture", ["tiny-clip", *backbones.CLIP])
    return library


@pytest.fixture
def clip_weights(open_clip, tmp_path):
    torch.manual_seed(0)
    network = open_clip.CLIP(**open_clip.get_model_config("tiny-clip"))
    save_file(network.state_dict(), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors", network.eval()


def seen(images, size, mean, std):
    """What a network sees: Pillow's bicubic on float per channel, then the normalisation, by hand."""
    found = [
        [np.asarray(Image.fromarray(c.astype(np.float32)).resize((size, size), 3)).clip(0, 255) for c in image]
        for image in images.numpy()
    ]
    levels = np.array(found) / 255
    return torch.from_numpy((levels - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))).float()


@torch.inference_mode()
def test_dinov2_gives_the_class_token_of_timms_network(dino_weights, draw):
    path, network = dino_weights
    extractor = dinov2(FeatureRequest("dinov2", path))
    images = draw(2, (3, 20, 30))
    expected = network(seen(images, 224, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    found = extractor(images)
    torch.testing.assert_close(found.features, expected, rtol=1e-4, atol=1e-4)
    assert found.features.shape == (2, extractor.dim) == (2, 64)
    assert found.logits is None
    assert extractor.name == f"dinov2-{extractor.sha256[:8]}"


@torch.inference_mode()
def test_clip_gives_the_image_embedding_of_open_clips_network(clip_weights, draw):
    path, network = clip_weights
    extractor = clip(FeatureRequest("clip", path))
    images = draw(2, (3, 20, 30))
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    found = extractor(images)
    torch.testing.assert_close(found.features, network.encode_image(seen(images, 32, mean, std)), rtol=1e-4, atol=1e-5)
    assert found.features.shape == (2, extractor.dim) == (2, 24)
    assert extractor.name == f"clip-{extractor.sha256[:8]}"


@torch.inference_mode()
def test_clip_needs_the_image_tower_alone_and_computes_in_single_precision(clip_weights, tmp_path, draw):
    _, network = clip_weights
    tower = {name: t.half() for name, t in network.state_dict().items() if name.startswith("visual.")}
    save_file(tower, tmp_path / "half.safetensors")
    extractor = clip(FeatureRequest("clip", tmp_path / "half.safetensors"))
    assert {parameter.dtype for parameter in extractor.module.parameters()} == {torch.float32}
    network.load_state_dict({name: t.float() for name, t in tower.items()}, strict=False)
    images = draw(2, (3, 32, 32))
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    expected = network.encode_image(seen(images, 32, mean, std))
    torch.testing.assert_close(extractor(images).features, expected, rtol=1e-4, atol=1e-5)


def test_every_choice_is_recorded(clip_weights, draw):
    path, _ = clip_weights
    plain = clip(FeatureRequest("clip", path))
    other = clip(FeatureRequest("clip", path, choices={"resize": "bilinear"}))
    assert (plain.choices()["resize"], other.choices()["resize"]) == ("pil-bicubic", "bilinear")
    assert plain.choices()["architecture"] == "tiny-clip"
    assert plain.choices()["weights"] == plain.sha256
    images = draw(1, (3, 20, 20))
    assert not torch.equal(plain(images).features, other(images).features)


@pytest.mark.parametrize(("build", "library"), [(dinov2, "timm"), (clip, "open_clip")])
def test_a_library_that_is_not_installed_is_named(monkeypatch, build, library):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingError, match=rf"needs {library}: install genkit-toolkit\[backbones\]"):
        build(FeatureRequest("x"))


@pytest.mark.parametrize("build", [dinov2, clip])
def test_an_architecture_that_there_is_not_is_refused(build):
    with pytest.raises(UsageError, match="choose"):
        build(FeatureRequest("x", choices={"architecture": "vit-xxl"}))


def test_weights_that_were_not_pulled_are_asked_for(timm, monkeypatch, tmp_path):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="genkit weights pull dinov2-vit-s-14, or give --weights FILE"):
        dinov2(FeatureRequest("dinov2", choices={"architecture": "vit-s-14"}))


def test_weights_that_were_pulled_are_found_and_have_the_plain_name(dino_weights, monkeypatch, tmp_path):
    path, _ = dino_weights
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    sha256 = sha256_file(path)
    known = manifest.WeightsFile("dinov2-tiny", "tiny.pth", (), sha256, 1, "", "")
    monkeypatch.setattr(manifest, "WEIGHTS", [known])
    manifest.add("dinov2-tiny", path)
    extractor = dinov2(FeatureRequest("dinov2"))
    assert (extractor.name, extractor.sha256) == ("dinov2", sha256)


def test_clip_asks_for_weights(open_clip):
    with pytest.raises(MissingError, match="clip needs a weights file"):
        clip(FeatureRequest("clip"))


def test_weights_of_another_network_are_refused(timm, open_clip, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth does not fit test_vit"):
        dinov2(FeatureRequest("dinov2", tmp_path / "other.pth"))
    with pytest.raises(DataError, match=r"other\.pth does not fit tiny-clip"):
        clip(FeatureRequest("clip", tmp_path / "other.pth"))
