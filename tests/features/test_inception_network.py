"""The network against torch-fidelity's and pytorch-fid's own, with the same random weights.

Tests inception_network and inception_layout of genkit.features.
"""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F

from genkit.features import inception_network
from genkit.features.inception_layout import convolutions, misfit, tensors, untrained_state
from genkit.features.inception_network import Convolution, InceptionV3, onednn


@pytest.fixture(scope="module")
def images():
    """Normalised images as the network sees them."""
    return torch.rand(2, 3, 299, 299, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def network(inception_state):
    return InceptionV3(inception_state).eval()


@pytest.fixture(scope="module")
def pytorch_fid(inception_weights):
    """pytorch-fid's network with the random weights instead of its download."""
    module = pytest.importorskip("pytorch_fid.inception")
    state = torch.load(inception_weights, weights_only=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda url, progress: state)
        return module.InceptionV3([0, 1, 2, 3], resize_input=False, normalize_input=False).eval()


def close(found, expected):
    """Equal to 1e-5 of the largest feature."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@torch.inference_mode()
def test_every_layer_is_pytorch_fids(inception_state, pytorch_fid, images):
    maps = pytorch_fid(images)
    for layer, expected in zip(("64", "192", "768", "2048"), maps, strict=True):
        features, logits = InceptionV3(inception_state, layer=layer)(images)
        assert features.shape == (2, int(layer))
        close(features, expected.mean((2, 3)))
        assert (logits is None) == (layer != "2048")


@torch.inference_mode()
def test_logits_have_the_classifiers_bias_only_when_asked(inception_state, network, images):
    features, unbiased = network(images[:1])
    _, biased = InceptionV3(inception_state, biased=True)(images[:1])
    torch.testing.assert_close(unbiased, features @ inception_state["fc.weight"].T)
    torch.testing.assert_close(biased - unbiased, inception_state["fc.bias"][None], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_random_weights_keep_activations_sane(network, images):
    features, logits = network(images)
    assert 0.1 < features.mean() < 10
    assert features.std(0).max() > 1e-2
    assert 0.1 < logits.std() < 10


def test_a_lower_layer_holds_only_what_it_needs(inception_state):
    first = InceptionV3(inception_state, layer="64")
    assert list(first.convolutions) == ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"]
    assert first.classifier is None
    assert len(InceptionV3(inception_state, layer="768").convolutions) == 70
    assert len(InceptionV3(inception_state, layer="2048").convolutions) == len(convolutions()) == 94


@torch.inference_mode()
def test_the_fast_paths_compute_what_plain_convolutions_do(inception_state, network, images, monkeypatch):
    if not onednn():
        pytest.skip("this torch has no fused oneDNN convolutions")
    fused, _ = network(images)
    monkeypatch.setattr(inception_network, "_on_cpu", lambda x: False)
    plain, _ = network(images)
    close(fused, plain)


def broken(*_):
    raise RuntimeError("no such operator")


def wrong(weight, *_):
    return torch.zeros_like(weight)


@pytest.mark.parametrize("laying_out", [broken, wrong])
def test_operators_that_fail_or_err_are_not_used(monkeypatch, laying_out):
    onednn.cache_clear()
    monkeypatch.setattr(inception_network, "_lay_out", laying_out)
    assert not onednn()
    onednn.cache_clear()


@torch.inference_mode()
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padded"), [((3, 3), 2, False), ((1, 7), 1, True), ((1, 1), 1, True)])
def test_a_convolution_is_one_of_torch_with_relu(kernel, stride, padded, relu):
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(8, 4, *kernel, generator=generator), torch.randn(8, generator=generator)
    x = torch.randn(2, 4, 11, 9, generator=generator).contiguous(memory_format=torch.channels_last)
    padding = tuple(side // 2 if padded else 0 for side in kernel)
    expected = F.conv2d(x, weight, bias, stride, padding)
    layer = Convolution(weight, bias, stride=stride, padded=padded, relu=relu)
    for n in (2, 1):  # the kernel is laid out for the first batch and serves a smaller one
        torch.testing.assert_close(layer(x[:n]), (expected.relu() if relu else expected)[:n], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_bfloat16_differs_by_about_a_hundredth(inception_state, network, images):
    exact, _ = network(images)
    rough, _ = InceptionV3(inception_state, dtype=torch.bfloat16)(images)
    assert rough.dtype == torch.float32
    difference = float((rough - exact).norm() / exact.norm())
    assert 1e-4 < difference < 3e-2


def test_the_layout_is_that_of_the_published_networks(pytorch_fid, inception_weights):
    published = {name: tuple(tensor.shape) for name, tensor in torch.load(inception_weights, weights_only=True).items()}
    assert len(published) == 566
    blocks = {tuple(t.shape) for name, t in pytorch_fid.state_dict().items() if name.endswith("conv.weight")}
    assert blocks == set(convolutions().values())
    assert misfit(untrained_state(1)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("fc.bias"), "fc.bias is missing"),
        (lambda state: state.update({"fc.weight": torch.zeros(1000, 2048)}), r"fc.weight is \[1000, 2048\], not"),
        (lambda state: state.update({"AuxLogits.fc.bias": torch.zeros(1)}), "AuxLogits.fc.bias is unexpected"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, words):
    state = {name: torch.empty(shape, device="meta") for name, shape in tensors().items()}
    assert misfit({**state, "Mixed_5b.branch1x1.bn.num_batches_tracked": torch.tensor(0)}) == ""
    change(state)
    assert re.match(words, misfit(state))
