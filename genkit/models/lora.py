"""LoRA: linear layers adapted by a product of two thin matrices (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from genkit.errors import UsageError
from genkit.models.base import GenerativeModel


class LoRALinear(nn.Linear):
    """W + (alpha / r) B A in the place of W: A [r, in] drawn as PEFT does, B [out, r] zero, so nothing moves at first.

    ``weight`` and ``bias`` are those of the layer that it replaces, the same tensors, and are frozen.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = alpha / rank
        like = layer.weight
        self.lora_A = nn.Parameter(torch.empty(rank, layer.in_features, device=like.device, dtype=like.dtype))
        self.lora_B = nn.Parameter(torch.zeros(layer.out_features, rank, device=like.device, dtype=like.dtype))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [..., out]."""
        return super().forward(inputs) + self.scale * linear(linear(inputs, self.lora_A), self.lora_B)

    def merged(self) -> nn.Linear:
        """Return a plain layer with the weights W + (alpha / r) B A."""
        plain = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        weight = self.weight.detach().double()  # so that it is rounded once
        weight = weight + self.scale * self.lora_B.detach().double() @ self.lora_A.detach().double()
        plain.weight = nn.Parameter(weight.to(self.weight.dtype))
        if self.bias is not None:
            plain.bias = nn.Parameter(self.bias.detach())
        return plain


def add_lora(model: GenerativeModel, rank: int, alpha: float) -> None:
    """Adapt all linear layers below the modules that a model names in ``adapts``, and freeze everything else.

    Raises UsageError for a model that names none, and for a rank that none of its layers can have.
    """
    layers = [(name, each) for name, each in model.named_modules() if type(each) is nn.Linear and _adapts(model, name)]
    if not layers:
        raise UsageError(
            f"{type(model).__name__} names no linear layers for LoRA: adapt all its weights by --method all"
        )
    most = max(min(layer.weight.shape) for _, layer in layers)
    if rank > most:
        raise UsageError(f"rank is {rank}, and no layer to adapt has more than {most}: try 8, or --method all")
    model.requires_grad_(False)
    for name, layer in layers:
        _put(model, name, LoRALinear(layer, rank, alpha))


def merge_lora(model: GenerativeModel) -> GenerativeModel:
    """Put plain layers with the adapted weights in the place of all that LoRA adapted, and return the model."""
    adapted = list(_adapted(model))
    for name, layer in adapted:
        _put(model, name, layer.merged())
    return model.requires_grad_(True) if adapted else model


def adapter(model: GenerativeModel, rank: int, alpha: float) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the matrices of an adapted model and what they are, as PEFT's adapter_model and adapter_config have them.

    PEFT adds them to the model as it was before, whose layers it finds by their whole names.
    """
    tensors, names = {}, []
    for name, layer in _adapted(model):
        names.append(name)
        tensors[f"base_model.model.{name}.lora_A.weight"] = layer.lora_A.detach().cpu().contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = layer.lora_B.detach().cpu().contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "target_modules": names,
        "modules_to_save": None,
    }
    return tensors, config


def _adapts(model: GenerativeModel, name: str) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in model.adapts)


def _adapted(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    return ((name, each) for name, each in model.named_modules() if isinstance(each, LoRALinear))


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    owner, _, own = name.rpartition(".")
    setattr(model.get_submodule(owner), own, layer)
