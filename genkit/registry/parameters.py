"""Parameters of metrics: what each may be, what it is by default, and what of it a record holds."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.errors import OptionsError, PluginError, UsageError, suggestion
from genkit.files.guard import plain

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a metric: its type is that of ``default``, numbers lie in [``low``, ``high``].

    ``choices`` are the only values, if there are any. ``only_with`` names the parameter of the same metric without
    which (0 or false) this one has no effect: it is then neither recorded nor accepted. ``always_recorded`` is False
    for one that records do not hold at its default, such as one that a metric gained after it had been measured.
    ``path``: a file or folder; records hold the hash of its content.
    """

    default: Any
    summary: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Any, ...] = ()
    only_with: str = ""
    always_recorded: bool = True
    path: bool = False

    @property
    def range(self) -> str:
        """What the parameter may be, in words: ``a whole number, at least 1``."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        words = _WORDS.get(type(self.default), type(self.default).__name__)
        low, high = (f"{end:.10g}" if math.isfinite(end) else "" for end in (self.low, self.high))
        if low and high:
            return f"{words} from {low} to {high}"
        return f"{words}, at least {low}" if low else f"{words}, at most {high}" if high else words

    def checked(self, value: Any, name: str) -> Any:
        """Return a value as the default's type; raises OptionsError, which calls it ``name``."""
        if self.path and isinstance(value, Path | str) and value:
            value = os.path.expanduser(value)
            if not os.path.exists(value):
                raise OptionsError(f"{name}: there is no {value}: check the path")
        found = self._converted(value)
        inside = not isinstance(found, int | float) or self.low <= found <= self.high
        if found is None or not inside or (self.choices and found not in self.choices):
            raise OptionsError(f"{name} = {value!r} is not valid: it should be {self.range}")
        return found

    def _converted(self, value: Any) -> Any:
        """Return a value as the default's type, or None if it is of another."""
        kind, truth = type(self.default), isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
        if kind is bool:
            return bool(value) if truth else None
        if kind is int:
            return int(value) if isinstance(value, numbers.Integral) and not truth else None
        if kind is float:
            number = float(value) if isinstance(value, numbers.Real) and not truth else math.nan
            return number if math.isfinite(number) else None
        return value if isinstance(value, kind) or self.default is None else None


def schema_of(parameters: Mapping[str, Any], metric: str) -> dict[str, Parameter]:
    """Return the parameters of a spec, a plain default as one of its type; raises PluginError for one that is wrong."""
    schema = {key: value if isinstance(value, Parameter) else Parameter(value) for key, value in parameters.items()}
    for key, parameter in schema.items():
        if parameter.default is not plain(parameter.default):
            schema[key] = parameter = dataclasses.replace(parameter, default=plain(parameter.default))
        if not _recordable(parameter.default):
            raise PluginError(
                f"metric {metric!r}: parameter {key!r} has the default {parameter.default!r}: no JSON value"
            )
        if parameter.only_with and parameter.only_with not in schema:
            raise PluginError(f"metric {metric!r}: parameter {key!r} goes with {parameter.only_with!r}, which it lacks")
    return schema


def _recordable(value: Any) -> bool:
    """Whether a record can hold a default."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_recordable, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and _recordable([*value.values()])
    return value is None or isinstance(value, str | int)


def checked_parameters(schema: Mapping[str, Parameter], values: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Return values of a metric's parameters as their types; raises OptionsError for a wrong name, type or range."""
    if not isinstance(values, Mapping):
        raise UsageError(f"the parameters of {metric} are a mapping of names to values, not {values!r}")
    for key in values:
        if key not in schema:
            listed = f"it has {', '.join(schema)}" if schema else "it has none"
            raise OptionsError(f"{metric} has no parameter {str(key)!r}.{suggestion(str(key), schema)}  ({listed})")
    return {key: schema[key].checked(value, f"{metric}.{key}") for key, value in values.items()}


def effective(schema: Mapping[str, Parameter], values: Mapping[str, Any], key: str) -> bool:
    """Return whether a parameter has an effect beside the other values."""
    needed = schema[key].only_with
    return not needed or bool(values[needed])


def recorded(schema: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of all values of a metric that a record holds: what has an effect and is not left out at default.

    Raises DataError for a file that can't be read.
    """
    from genkit.files.integrity import content_sha256  # only where there is a file to hash

    return {
        key: content_sha256(Path(value)) if schema[key].path and value else value
        for key, value in values.items()
        if effective(schema, values, key) and (schema[key].always_recorded or value != schema[key].default)
    }
