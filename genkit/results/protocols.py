"""Protocols by name: the choices that reproduce the numbers of other packages.

Only the choices enter a record and its fingerprint, not the name. Sources: torch-fidelity 0.4, torchmetrics 1.9,
clean-fid 0.1.35, pytorch-fid 0.3, stylegan3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genkit.errors import UnknownName


@dataclass(frozen=True)
class ProtocolPreset:
    """How samples are quantised to uint8, choices of the Inception extractor, and parameters by metric.

    ``opening``: how files of images are opened, as arguments of open_images.
    """

    quantisation: str = "round-half-even"
    features: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    opening: Mapping[str, Any] = field(default_factory=dict)


_KID = {"subsets": 100, "size": 1000, "seed": 2020, "shrink": False, "generated_first": True}
"""torch-fidelity's, which draws the generated subset first; only torchmetrics draws the real one first."""

_RGB = {"decoding": "rgb"}
"""All but torchmetrics, which takes tensors, read files by Pillow's ``convert("RGB")`` alone."""

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
        opening=_RGB,
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
        opening=_RGB,
    ),
    "pytorch-fid": ProtocolPreset(
        features={"resize": "bilinear", "normalisation": "127.5"},
        opening=_RGB,
    ),
    "stylegan3": ProtocolPreset(
        parameters={
            "fid": {"ddof": 0},
            "kid": _SHRINKING,
            "is": {"rule": "stylegan3"},
        },
        opening=_RGB,
    ),
}


def find_protocol(name: str) -> ProtocolPreset:
    """Return a protocol by name; raises UnknownName."""
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS, f"  (there are {', '.join(PROTOCOLS)})")
    return PROTOCOLS[name]
