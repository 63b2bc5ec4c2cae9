"""Checkpoints: one safetensors file with JSON in its header, written atomically. No code, no pickle.

Tensors are saved contiguous and restored with the strides of the live tensor: safetensors refuses channels_last and
shared tensors, and with a contiguous state the fused CPU Adam silently updates the wrong elements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.errors import DataError, MissingError, PluginError
from genkit.files.integrity import OWN, Damaged, check_sealed, seal, sealing_metadata
from genkit.files.names import in_utf8
from genkit.files.reading import parse_json
from genkit.files.writing import replacing, sync
from genkit.results.documents import parse

SCHEMA = 2

_Count = Annotated[int, Ge(0), Le(1 << 62)]
_Seconds = Annotated[float, Ge(0), Le(1e12)]


@dataclass(frozen=True)
class OptimizerState:
    """An optimiser's state without its tensors: other values by the parameter's index, and its groups."""

    values: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], dict[str, bool | int | float | str | None]]
    groups: list[dict[str, Any]]


@dataclass(frozen=True)
class Meta:
    """What the checkpoint of a run says besides its tensors; the fields are those of snapshot.State.

    ``window``: the names of what was logged since the last line; ``skips``: skipped repeats by phase.
    """

    index: _Count
    stage: Annotated[int, Ge(-1), Le(1 << 31)]
    drawn: _Count
    seconds: _Seconds
    log_offset: _Count
    optimizers: list[OptimizerState]
    window: list[str]
    skips: dict[str, _Count]
    stage_drawn: _Count = 0
    stage_seconds: _Seconds = 0.0


def meta_of(document: Mapping[str, Any], path: Path) -> Meta:
    """Return the metadata that ``load`` read, every field checked; raises DataError, which names the field."""
    return parse(Meta, json.dumps(document), f"{path} is not a whole genkit checkpoint", SCHEMA)


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata to ``path``: temporary name, sync, rename.

    An earlier file of that name stays until the new one is complete. OSError passes through; no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        plain = {name: _plain(tensor) for name, tensor in tensors.items()}
        try:
            save_file(plain, str(temporary), metadata=sealing_metadata({"schema": SCHEMA, **meta}))
        except SafetensorError as error:
            raise OSError(0, f"{error}") from error
        with temporary.open("r+b") as file:
            seal(file)
    sync(path.parent)


def load(path: Path, prefix: str | tuple[str, ...] = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors whose name starts with ``prefix``, or one of several, and the metadata.

    Raises MissingError, or DataError, also for a file that does not have the hash that it was written with.
    """
    if not path.is_file():
        raise MissingError(f"there is no checkpoint {path}")
    try:
        check_sealed(path)
        with in_utf8(path) as name, safe_open(name, framework="pt") as file:
            document = parse_json((file.metadata() or {})["genkit"])
            tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
        schema = int(document["schema"])
        document.pop(OWN, None)
    except Exception as error:  # safetensors and torch share no errors on damaged files
        raise Damaged(f"{path} is not a whole genkit checkpoint: {error}") from error
    if schema != SCHEMA:
        remedy = "update genkit" if schema > SCHEMA else "train the run anew"
        raise DataError(f"checkpoint {path} has schema {schema}; this genkit reads schema {SCHEMA}: {remedy}")
    return tensors, document


def module_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state dict; raises PluginError if it holds anything but tensors."""
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise PluginError(
                f"{type(module).__name__} keeps {name!r} of type {type(value).__name__} in its state dict; "
                "a checkpoint holds tensors only: make it a buffer"
            )
    return state


def restore_module(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy a saved state into a module, whose tensors keep their strides; raises DataError if it does not fit."""
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise DataError(f"{origin} does not fit {type(module).__name__}: {' '.join(str(error).split())}") from error


def optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors, named ``index.key``, and JSON values."""
    whole = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for index, entries in whole["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                values.setdefault(str(index), {})[key] = value
    return tensors, {"values": values, "groups": whole["param_groups"]}


def restore_optimizer(
    optimizer: Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], origin: str = "the checkpoint"
) -> None:
    """Restore what ``optimizer_state`` returned; tensors of a parameter's shape get its strides.

    Settings that it does not name, as of before this version of PyTorch had them, stay. Raises DataError, naming
    ``origin``, for the state of another optimiser.
    """
    live = optimizer.param_groups
    if len(plain["groups"]) != len(live) or not all(map(_same_kind, plain["groups"], live)):
        raise DataError(f"{origin} holds the state of another optimiser, not of this {type(optimizer).__name__}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if any(int(index) >= len(parameters) for index in plain["values"]):
        raise DataError(f"{origin} holds the state of another optimiser, with more parameters")
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in plain["values"].items()}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        parameter = parameters[int(index)]
        if key != "step" and tensor.shape == parameter.shape:
            tensor = torch.empty_like(parameter, dtype=tensor.dtype, memory_format=torch.preserve_format).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    groups = [
        {key: tuple(value) if isinstance(own.get(key), tuple) else value for key, value in (own | group).items()}
        for own, group in zip(live, plain["groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _same_kind(saved: Any, live: Any) -> bool:
    """Whether a saved setting, or a group of them, can stand in the place of a live one."""
    if isinstance(live, dict):
        return all(_same_kind(value, live.get(key, value)) for key, value in saved.items()) and "params" in saved
    if isinstance(live, list | tuple):  # the numbers of parameters in the place of these, or betas
        fits = isinstance(saved, list) and len(saved) == len(live)
        return fits and all(isinstance(each, int | float) and not isinstance(each, bool) for each in saved)
    if live is None or isinstance(live, bool):
        return saved is None or isinstance(saved, bool)
    if isinstance(live, int | float):
        return isinstance(saved, int | float) and not isinstance(saved, bool)
    return type(saved) is type(live)


def _plain(tensor: Tensor) -> Tensor:
    """Return a contiguous copy on the CPU that shares no memory."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
