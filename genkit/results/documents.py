"""Read JSON documents back into the dataclasses they were written from, with every field checked.

Unknown fields are ignored, so that a document can be read by older and newer versions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from math import isfinite
from typing import Any, TypeVar

from genkit.errors import DataError
from genkit.files.guard import LARGEST
from genkit.files.integrity import contradicted
from genkit.files.reading import JSON_WEIGHTS, parse_json, refuse_large
from genkit.files.text import check_names

T = TypeVar("T")

DEEPEST = 320
"""How deep the values of a document may be nested."""


@functools.cache
def _validator(cls: Any) -> Any:
    """Return the validator of a dataclass, which ends a list or table at its first fault: a list may be all faults."""
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator, core_schema

    kinds = (core_schema.ListSchema, core_schema.TupleSchema, core_schema.DictSchema)
    ending = {
        name for name, kind in zip(("list", "tuple", "dict"), kinds, strict=True) if _FAST in kind.__annotations__
    }

    def fast(schema: Any) -> Any:
        if isinstance(schema, list):
            return [fast(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        made = {key: fast(value) for key, value in schema.items()}
        return {**made, _FAST: True} if schema.get("type") in ending else made

    return SchemaValidator(fast(TypeAdapter(cls).core_schema))


_FAST = "fail_fast"


class LaterSchema(DataError):
    """A document of a later genkit."""


def parse_sealed(cls: type[T], data: bytes, complaint: str, schema: int, remedy: str) -> T:
    """Make a dataclass from a JSON document with its own hash, or from one of before without; raises DataError."""
    if contradicted(data, DEEPEST):
        raise DataError(f"{complaint}: it was changed or damaged since it was written: {remedy}")
    try:
        return parse(cls, data, complaint, schema)
    except LaterSchema:
        raise
    except DataError as error:
        raise DataError(f"{error}: {remedy}") from error


def parse(cls: type[T], text: str | bytes, complaint: str, schema: int) -> T:
    """Make a dataclass from a JSON document.

    Raises DataError, which begins with ``complaint`` ("a.json is not a record"), for text that is not JSON, a field
    that is missing or has the wrong type, a number that is not finite, a measured one beyond 1e100, values nested more
    than 320 deep, more values than memory is given to, and a "schema" above ``schema``.
    """
    from pydantic import ValidationError

    try:
        document = _loads(text)
    except ValueError as error:
        raise DataError(f"{complaint}: {error}") from error
    found = document.get("schema", schema) if isinstance(document, dict) else schema
    if isinstance(found, int) and found > schema:
        raise LaterSchema(f"{complaint}: it has schema {found}; this genkit reads up to {schema}: update genkit")
    try:
        made: T = _validator(cls).validate_python(document)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        reason = first["msg"].removeprefix("Value error, ")
        raise DataError(" ".join(f"{complaint}: {where}: {reason}".split())) from error
    if fault := _fault(made):
        raise DataError(f"{complaint}: {fault}")
    return made


def _loads(text: str | bytes) -> Any:
    """Parse JSON with pydantic's parser, several times faster than the standard library's, which is the fallback.

    It alone reads half a surrogate pair, which is refused unless it is a byte of a file's name that is no UTF-8.
    """
    from pydantic_core import from_json

    refuse_large(text, JSON_WEIGHTS)
    try:
        return from_json(text)
    except (ValueError, TypeError):
        return check_names(parse_json(text, DEEPEST))


def _fault(made: Any) -> str:
    """What no document may hold: numbers that are not finite, measured ones too large to be squared, and deep nesting.

    One flat loop: records hold thousands of numbers.
    """
    todo = [(made, 0)]
    while todo:
        value, depth = todo.pop()
        kind = type(value)
        measured = kind is not dict and kind is not list  # a field of the document, and no value of an option
        if kind is list or kind is tuple:
            try:
                if not sum(map(abs, value)) <= LARGEST and (fault := _number_fault(value, measured)):
                    return fault
                continue
            except (TypeError, OverflowError):  # not all are numbers, or an int is beyond floats
                inner = value
        else:
            inner = value.values() if kind is dict else vars(value).values()
        if depth > DEEPEST:
            return f"its values are nested more than {DEEPEST} deep"
        for each in inner:
            kind = type(each)
            if kind is float or kind is int:
                if not -LARGEST <= each <= LARGEST and (fault := _number_fault([each], measured)):
                    return fault
            elif kind is not str and kind is not bool and each is not None:
                todo.append((each, depth + 1))
    return ""


def _number_fault(values: Iterable[float], measured: bool) -> str:
    values = list(values)
    if any(isinstance(each, float) and not isfinite(each) for each in values):
        return "it holds a number that is not finite"
    return f"it holds numbers beyond {LARGEST:g}" if measured else ""
