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
class Preset:
    """``quantisation`` of samples to uint8, ``features`` choices of Inception, ``parameters`` of metrics."""

    quantisation: str = "round-half-even"
    features: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_KID = {"subsets": 100, "size": 1000, "seed": 2020, "shrink": False, "generated_first": True}
"""torch-fidelity's, whose first input is the generated set; only torchmetrics draws the real one first."""

_SHRINKING = {**_KID, "seed": 0, "shrink": True}

PRESETS: Mapping[str, Preset] = {
    "genkit": Preset(),
    "genkit-tf32": Preset(features={"precision": "tf32"}),
    "genkit-bfloat16": Preset(features={"precision": "bfloat16"}),
    "torch-fidelity": Preset(
        parameters={
            "fid": {"mean_dtype": "float32"},
            "kid": _KID,
        },
    ),
    "torchmetrics": Preset(
        quantisation="truncate",
        features={"resize": "bilinear-antialias"},
        parameters={
            "kid": {**_KID, "generated_first": False},
            "is": {"rule": "torchmetrics"},
        },
    ),
    "clean-fid": Preset(
        features={"resize": "pil-bicubic"},
        parameters={
            "fid": {"mean_dtype": "float32"},
            "kid": _SHRINKING,
        },
    ),
    "pytorch-fid": Preset(
        features={"resize": "bilinear", "normalisation": "127.5"},
    ),
    "stylegan3": Preset(
        parameters={
            "fid": {"ddof": 0},
            "kid": _SHRINKING,
            "is": {"rule": "stylegan3"},
        },
    ),
}


def preset(name: str) -> Preset:
    """Return a preset by name; raises UnknownName."""
    if name not in PRESETS:
        raise UnknownName("protocol preset", name, PRESETS, f"  (there are {', '.join(PRESETS)})")
    return PRESETS[name]
