"""What a model card says besides numbers: data, licences, intended use and limits; unknown is said to be unknown."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

from genkit.errors import GenkitError
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec

UNKNOWN = "unknown to genkit: ask whoever made it"

USE = "research and teaching: to compare generative models, and to learn how they work"
LIMITS = (
    "it draws images like those it was trained on, with their gaps and biases, and may repeat some of them, which "
    "authpct and the sheet of memorised images measure; its scores are of this data and protocol alone; decide nothing "
    "about people by its images"
)
"""Intended use and limits of a model whose spec states none."""


def card(name: str, dist: str, dataset: str, data: str = "") -> dict[str, str]:
    """Return what a card says of a model, by heading; ``data`` is what is known of its data set beyond the name."""
    return {
        "data": f"{dataset}{f': {data}' if data else ''}",
        "licence of the data": data_licence(dataset),
        "licence of the model's code": code_licence(name, dist),
        **use_and_limits(name, dist),
    }


def use_and_limits(name: str, dist: str) -> dict[str, str]:
    """Return the intended use and the limits of a model, its author's or else what is true of every model."""
    spec = _spec(name, dist)
    return {
        "intended use": (spec and spec.intended_use) or USE,
        "limits": (spec and spec.limits) or LIMITS,
    }


def data_licence(dataset: str) -> str:
    """Return the licence of a data set by its name, such as that of a record; of people's own files it is unknown."""
    try:
        spec, _ = registry().dataset(dataset)
    except GenkitError:
        return UNKNOWN
    return spec.license or UNKNOWN


def code_licence(name: str, dist: str) -> str:
    """Return the licence of a model's code: its spec's, or else that of the package that it comes with."""
    spec = _spec(name, dist)
    if spec is not None and spec.license:
        return spec.license
    try:
        facts = metadata(dist)
    except (PackageNotFoundError, ValueError):
        return UNKNOWN
    stated = [facts[key].strip() for key in ("License-Expression", "License") if key in facts]
    return next((text.splitlines()[0] for text in stated if text), UNKNOWN)


def _spec(name: str, dist: str) -> ModelSpec | None:
    try:
        return registry().find(ModelSpec, f"{dist}:{name}").spec
    except GenkitError:
        return None
