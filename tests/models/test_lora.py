"""LoRA on a small model of linear layers, with and without biases."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genkit.errors import UsageError
from genkit.models import DataInfo, GenerativeModel
from genkit.models.lora import LoRALinear, adapter, add_lora, merge_lora


class Layers(GenerativeModel):
    """Two linear layers to adapt, and one outside."""

    adapts = ("inner",)

    def __init__(self):
        super().__init__(None, DataInfo((1, 2, 2)))
        self.inner = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4, bias=False))
        self.inner_too = nn.Linear(4, 4)

    def forward(self, inputs):
        return self.inner_too(self.inner(inputs))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Layers()


def learned(model, rank=2, alpha=3.0):
    add_lora(model, rank, alpha)
    for name, parameter in model.named_parameters():
        if name.endswith("lora_B"):
            nn.init.normal_(parameter)
    return model


def test_the_formula(model):
    weight = model.inner[2].weight.detach().clone()
    layer = learned(model).inner[2]
    inputs = torch.randn(5, 6)
    expected = inputs @ (weight + 3.0 / 2 * layer.lora_B @ layer.lora_A).T
    assert torch.allclose(layer(inputs), expected, atol=1e-6)


def test_merged_layers_are_plain_and_equal(model):
    inputs = torch.randn(5, 4)
    names = model.state_dict().keys()
    apart = learned(model)(inputs)
    merged = merge_lora(model)
    assert (merged(inputs) - apart).abs().max() < 1e-5 and (merged(inputs) - Layers()(inputs)).abs().max() > 1e-2
    assert merged.state_dict().keys() == names and all(each.requires_grad for each in merged.parameters())


def test_only_the_named_modules_are_adapted_and_all_else_is_frozen(model):
    add_lora(model, 2, 2.0)
    assert [name for name, each in model.named_modules() if isinstance(each, LoRALinear)] == ["inner.0", "inner.2"]
    assert all(("lora_" in name) == each.requires_grad for name, each in model.named_parameters())
    tensors, config = adapter(model, 2, 2.0)
    assert tensors["base_model.model.inner.0.lora_A.weight"].shape == (2, 4)
    assert tensors["base_model.model.inner.0.lora_B.weight"].shape == (6, 2)
    assert config["target_modules"] == ["inner.0", "inner.2"]


def test_a_model_that_names_no_layers_is_refused(model):
    model.adapts = ()
    with pytest.raises(UsageError, match="--method all"):
        add_lora(model, 2, 2.0)


def test_a_rank_beyond_the_layers_is_refused(model):
    with pytest.raises(UsageError, match="rank is 1000, and no layer to adapt has more than [0-9]+: try 8"):
        add_lora(model, 1000, 1.0)
    assert all(parameter.requires_grad for parameter in model.parameters())
