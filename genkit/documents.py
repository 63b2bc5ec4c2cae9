"""JSON documents read back as the dataclasses they were written from, every field checked.

What the class does not know is ignored, so that a document outlives the version that wrote it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any, TypeVar

from genkit.errors import DataError

T = TypeVar("T")


@functools.cache
def _adapter(cls: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def parse(cls: type[T], text: str | bytes, complaint: str, schema: int) -> T:
    """Make a dataclass of a JSON document.

    Raises DataError, which begins with ``complaint`` ("a.json is not a record"), for text that is no JSON, a field
    that is missing or of another type, a number that is not finite, and a "schema" above ``schema``.
    """
    from pydantic import ValidationError

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{complaint}: {error}") from error
    found = document.get("schema", schema) if isinstance(document, dict) else schema
    if isinstance(found, int) and found > schema:
        raise DataError(f"{complaint}: it has schema {found}; this genkit reads up to {schema}: update genkit")
    try:
        made: T = _adapter(cls).validate_python(document)  # type: ignore[arg-type]
        json.dumps(dataclasses.asdict(made), allow_nan=False)  # type: ignore[call-overload]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        reason = first["msg"].removeprefix("Value error, ")
        raise DataError(" ".join(f"{complaint}: {where}: {reason}".split())) from error
    except ValueError as error:
        raise DataError(f"{complaint}: it holds a number that is not finite") from error
    return made
