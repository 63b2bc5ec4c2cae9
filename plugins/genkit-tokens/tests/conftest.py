"""Fixtures for the token models' tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from genkit.conformance import Examination, Result
from genkit.conformance.under_test import blobs
from genkit.models import DataInfo, GenerativeModel

LABELLED = DataInfo((1, 8, 8), 17, 3, (0.2, 0.3, 0.5))
SMALL: dict[str, Any] = {"levels": [4, 3], "channels": 4, "width": 16, "layers": 2, "heads": 2}
"""Options of a model so small that its tests take no time."""


@pytest.fixture
def make() -> Callable[..., Any]:
    """A function that builds a model whose logits are not all zero: make(cls, info, **options)."""

    def build(cls: type[GenerativeModel], info: DataInfo = LABELLED, *, scale: float = 0.5, **options: Any) -> Any:
        from genkit.options import build as build_options

        torch.manual_seed(0)
        model = cls(build_options(cls.Options, {**SMALL, **options}, cls.__name__), info).eval()
        with torch.no_grad():
            for parameter in model.transformer.parameters():  # type: ignore[union-attr]
                if parameter.ndim > 1:
                    parameter.normal_(std=scale)
        return model

    return build


@pytest.fixture
def examine() -> Callable[..., Result]:
    """One conformance check of a model class with options, on small labelled images: examine(cls, check, **options)."""

    def run(cls: type[GenerativeModel], check: str, **options: Any) -> Result:
        return Examination(cls, options={**SMALL, **options}, dataset=blobs((1, 8, 8), 17, 3)).result(check)

    return run
