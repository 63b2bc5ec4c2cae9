"""Read JSON documents back into the dataclasses they were written from, with every field checked.

Unknown fields are ignored, so that a document can be read by older and newer versions.
"""

from __future__ import annotations

import functools
import json
from math import isfinite
from typing import Any, TypeVar

from genkit.errors import DataError

T = TypeVar("T")


@functools.cache
def _adapter(cls: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def parse(cls: type[T], text: str | bytes, complaint: str, schema: int) -> T:
    """Make a dataclass from a JSON document.

    Raises DataError, which begins with ``complaint`` ("a.json is not a record"), for text that is not JSON, a field
    that is missing or has the wrong type, a number that is not finite, and a "schema" above ``schema``.
    """
    from pydantic import ValidationError

    try:
        document = _loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{complaint}: {error}") from error
    found = document.get("schema", schema) if isinstance(document, dict) else schema
    if isinstance(found, int) and found > schema:
        raise DataError(f"{complaint}: it has schema {found}; this genkit reads up to {schema}: update genkit")
    try:
        made: T = _adapter(cls).validate_python(document)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        reason = first["msg"].removeprefix("Value error, ")
        raise DataError(" ".join(f"{complaint}: {where}: {reason}".split())) from error
    if not _finite(made):
        raise DataError(f"{complaint}: it holds a number that is not finite")
    return made


def _loads(text: str | bytes) -> Any:
    """Parse JSON with pydantic's parser, several times faster than the standard library's, which is the fallback.

    Half a surrogate pair is refused: it is not a character, and no file or terminal accepts it.
    """
    from pydantic_core import from_json

    try:
        return from_json(text)
    except (ValueError, TypeError):
        document = json.loads(text)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"it holds {error.object[error.start]!r}, half a surrogate pair") from error
    return document


def _finite(made: Any) -> bool:
    """Whether all numbers in a dataclass, nested ones too, are finite. One flat loop: records hold thousands."""
    todo = [made]
    while todo:
        value = todo.pop()
        kind = type(value)
        if kind is list or kind is tuple:
            try:
                if not all(map(isfinite, value)):
                    return False
                continue
            except (TypeError, OverflowError):  # not all are numbers, or an int is beyond floats
                inner = value
        else:
            inner = value.values() if kind is dict else vars(value).values()
        for each in inner:
            kind = type(each)
            if kind is float:
                if not isfinite(each):
                    return False
            elif kind is not str and kind is not int and kind is not bool and each is not None:
                todo.append(each)
    return True
