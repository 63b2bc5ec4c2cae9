"""Protocol presets: the choices under which each reference's own number comes out.

A preset is a set of choices and nothing else: what it chooses stands in the record and in the fingerprint, its name
does not. Sources: torch-fidelity 0.4, torchmetrics 1.9, clean-fid 0.1.35, pytorch-fid 0.3, stylegan3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genkit.errors import UnknownName


@dataclass(frozen=True)
class ProtocolPreset:
    """``quantisation`` of samples to uint8, ``features`` choices of Inception, ``parameters`` of metrics."""

    quantisation: str = "round-half-even"
    features: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_KID = {"subsets": 100, "size": 1000, "seed": 2020, "shrink": False, "generated_first": True}
"""torch-fidelity's, whose first input is the generated set; only torchmetrics draws the real one first."""

_SHRINKING = {**_KID, "seed": 0, "shrink": True}

PROTOCOLS: Mapping[str, ProtocolPreset] = {
    "genkit": ProtocolPreset(),
    "genkit-tf32": ProtocolPreset(features={"precision": "tf32"}),
    "genkit-bfloat16": ProtocolPreset(features={"precision": "bfloat16"}),
    "torch-fidelity": ProtocolPreset(
        parameters={
            "fid": {"mean_dtype": "float32"},
            "kid": _KID,
        },
    ),
    "torchmetrics": ProtocolPreset(
        quantisation="truncate",
        features={"resize": "bilinear-antialias"},
        parameters={
            "kid": {**_KID, "generated_first": False},
            "is": {"rule": "torchmetrics"},
        },
    ),
    "clean-fid": ProtocolPreset(
        features={"resize": "pil-bicubic"},
        parameters={
            "fid": {"mean_dtype": "float32"},
            "kid": _SHRINKING,
        },
    ),
    "pytorch-fid": ProtocolPreset(
        features={"resize": "bilinear", "normalisation": "127.5"},
    ),
    "stylegan3": ProtocolPreset(
        parameters={
            "fid": {"ddof": 0},
            "kid": _SHRINKING,
            "is": {"rule": "stylegan3"},
        },
    ),
}


def find_protocol(name: str) -> ProtocolPreset:
    """Return a preset by name; raises UnknownName."""
    if name not in PROTOCOLS:
        raise UnknownName("protocol preset", name, PROTOCOLS, f"  (there are {', '.join(PROTOCOLS)})")
    return PROTOCOLS[name]
