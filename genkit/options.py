"""Options of models and commands: dataclasses from JSON, TOML or ``-o key=value``, validated by pydantic.

Authors write a dataclass; a range is an annotation, as in ``width: Annotated[int, Ge(1)] = 64`` (annotated_types).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from genkit.errors import MissingError, OptionsError, suggestion
from genkit.files.reading import read_toml, reason
from genkit.files.text import hidden, json_text, json_value, restored

T = TypeVar("T")

RENAMED = {"discriminator_turns": "d_steps", "discriminator_rate": "d_learning_rate"}
"""Old name of an option -> its name now. Old names are read wherever options are: command line, TOML, runs, records."""


LATER: dict[str, Any] = {"kl_warmup": 0, "truncation": 1.0}
"""Options that models got after their first runs, with the value that changes nothing. It is not stored, so that runs,
records and boards of before stay equal to those of now."""


def current_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under their names of today, to compare options of old files with new ones."""
    current = {old: new for old, new in RENAMED.items() if new not in options}
    return {current.get(name, name): value for name, value in options.items()}


def original_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under the first names they had, for hashes that must stay what they were."""
    first = {new: old for old, new in RENAMED.items() if old not in options}
    return {first.get(name, name): value for name, value in options.items()}


def override(options: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``options`` with ``values`` over them; an old and a new name of one option are the same option."""
    given = {RENAMED.get(name, name) for name in values}
    return {**{name: value for name, value in options.items() if RENAMED.get(name, name) not in given}, **values}


def build(cls: type[T], values: Mapping[str, Any], owner: str) -> T:
    """Build the dataclass ``cls`` from values as read from JSON or TOML, under current or old names (``RENAMED``).

    Types are strict: ``"64"`` is not an integer and ``true`` not a number, but an integer is a valid float. Raises
    OptionsError, which names the option.
    """
    from pydantic import TypeAdapter, ValidationError

    fields = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    values = _renamed(values, fields, owner)
    for name in values:
        if name not in fields:
            options = f"Its options: {', '.join(fields)}" if fields else "It has none"
            raise OptionsError(f"{owner} has no option {name!r}.{suggestion(name, fields)} {options}")
    texts = []
    for name, value in values.items():
        try:
            texts.append(f"{json_text(name)}: {json_text(hidden(value))}")
        except (TypeError, ValueError) as error:
            raise OptionsError(f"{owner}: option {name} is {value!r}, no plain finite value") from error
    text = f"{{{', '.join(texts)}}}"
    try:
        built = TypeAdapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise OptionsError(f"{owner}: option {where} has no default: give it a value") from error
        if first["type"] == "too_short":
            first["msg"] = f"a list of at least {first['ctx']['min_length']}"
        reason = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        if where:
            raise OptionsError(
                f"{owner}: option {where} = {first['input']!r} is not valid: it should be {reason}"
            ) from error
        raise OptionsError(f"{owner}: {reason}") from error
    built = restored(built) if r"\u0000" in text else built
    _refuse_unknown(built, values, owner, "")
    return built


def _renamed(values: Mapping[str, Any], fields: list[str], owner: str) -> dict[str, Any]:
    """Give values their current names where ``fields`` has these, and not the old ones."""
    named: dict[str, Any] = {}
    for given, value in values.items():
        new = RENAMED.get(given, given)
        name = new if given not in fields and new in fields else given
        if name in named:
            old = next(old for old, current in RENAMED.items() if current == name)
            raise OptionsError(f"{owner}: {name} and its old name {old} are both given: remove {old}")
        named[name] = value
    return named


def _refuse_unknown(built: Any, given: Any, owner: str, where: str) -> None:
    """Raise OptionsError for a key that a nested dataclass does not have; pydantic would drop it silently."""
    if dataclasses.is_dataclass(built) and isinstance(given, Mapping):
        fields = [field.name for field in dataclasses.fields(built) if field.init]
        for name, value in given.items():
            if name not in fields:
                raise OptionsError(f"{owner} has no option {f'{where}{name}'!r}.{suggestion(name, fields)}")
            _refuse_unknown(getattr(built, name), value, owner, f"{where}{name}.")
    elif isinstance(built, list | tuple) and isinstance(given, list | tuple):
        for index, (part, value) in enumerate(zip(built, given, strict=False)):
            _refuse_unknown(part, value, owner, f"{where}{index}.")
    elif isinstance(built, Mapping) and isinstance(given, Mapping):
        for name, value in given.items():
            _refuse_unknown(built.get(name), value, owner, f"{where}{name}.")


def to_json(options: Any) -> dict[str, Any]:
    """Return a dataclass of options as JSON values, the inverse of ``build``; without ``LATER`` where unchanged."""
    from pydantic import TypeAdapter

    dumped: dict[str, Any] = TypeAdapter(type(options)).dump_python(options, mode="json")
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    return {
        name: value
        for name, value in dumped.items()
        if name not in LATER or value != LATER[name] or defaults[name] != LATER[name]
    }


def with_later(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return stored options with those of ``names`` that are not stored as they change nothing (``LATER``)."""
    return {**{name: LATER[name] for name in names if name in LATER}, **options}


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse ``key=value`` strings; a value is TOML (``64``, ``0.5``, ``true``, ``[1, 2]``) or else plain text."""
    import tomllib  # late: listings read names of options, no TOML

    values: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        key = key.strip().replace("-", "_")
        if not separator or not key:
            raise OptionsError(f"{assignment!r} is not of the form key=value")
        if key in values:
            raise OptionsError(f"{key} is given twice")
        try:
            document = tomllib.loads(f"value = {text}")
        except (tomllib.TOMLDecodeError, RecursionError):
            document = {}
        values[key] = document["value"] if len(document) == 1 else text.strip()
    return values


def assigned(value: Any) -> str:
    """Return a value as ``parse_assignments`` reads it: text that would be read as another type is quoted."""
    import tomllib

    if not isinstance(value, str):
        return json_value(value)
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        if value == value.strip():
            return value
    return json_value(value)


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML file of options."""
    try:
        return read_toml(path)
    except FileNotFoundError as error:
        raise MissingError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise OptionsError(f"{path} can't be read: {reason(error)}") from error
