"""Options of drawing: what moves a model's samples and not its weights, such as guidance, temperature or steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from genkit.errors import OptionsError, PluginError, suggestion
from genkit.models.base import GenerativeModel
from genkit.options import build, to_json


def drawing_options(cls: type[GenerativeModel]) -> list[str]:
    """Return the names of a model's options of drawing; raises PluginError for one that is also of training."""
    names = [field.name for field in dataclasses.fields(cls.Sampling) if field.init]
    both = {field.name for field in dataclasses.fields(cls.Options)} & set(names)
    if both:
        raise PluginError(f"{cls.__name__} has {', '.join(sorted(both))} both in Options and in Sampling: rename one")
    return names


def split_options(cls: type[GenerativeModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a model's options of training and those of drawing, given both in one mapping."""
    names = drawing_options(cls)
    return (
        {name: value for name, value in values.items() if name not in names},
        {name: value for name, value in values.items() if name in names},
    )


def sampling_of(model: GenerativeModel) -> dict[str, Any]:
    """Return the options that a model draws with, as JSON values; empty for a model without any."""
    return to_json(model.sampling)


def check_drawing(cls: type[GenerativeModel], values: Mapping[str, Any], owner: str) -> None:
    """Raise OptionsError, which names ``owner``, for options that a model does not draw with or can't take."""
    _refuse_unknown(cls, values, owner)
    build(cls.Sampling, values, owner)


def draw_with(model: GenerativeModel, values: Mapping[str, Any], owner: str) -> GenerativeModel:
    """Change some of the options that a model draws with, and return the model.

    Raises OptionsError, which names ``owner``, for one that the model does not have, or of a wrong type or range.
    """
    _refuse_unknown(type(model), values, owner)
    if values:
        model.sampling = build(type(model).Sampling, {**sampling_of(model), **values}, owner)
    return model


def _refuse_unknown(cls: type[GenerativeModel], names: Iterable[str], owner: str) -> None:
    known = drawing_options(cls)
    for name in names:
        if name not in known:
            has = f"its options of drawing: {', '.join(known)}" if known else "it has no options of drawing"
            raise OptionsError(f"{owner} does not draw with {name!r}.{suggestion(name, known)} ({has})")
