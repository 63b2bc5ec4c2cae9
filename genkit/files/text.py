r"""The one way out for text: terminal, Markdown, CSV, JSON, log lines. Names hold anything; what is shown does no harm.

What a terminal or table would obey, or a reader not see, is written as JSON writes it: ``\u001b``, ``\u202e``, ``\n``;
``genkit.errors.one_line`` says what that is. A byte of a file's name that is no UTF-8 is ``\udcff`` in Python, on the
terminal and in JSON files, and ``read_back`` makes the name of it again. Names without such characters, also ones with
backslashes, are left as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

from genkit.errors import one_line, written

T = TypeVar("T")

_ESCAPES = re.compile(r"(?:\\(?:u[0-9a-f]{4}|[nrt]))+")
_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")


def lines(text: str) -> str:
    """Return text of several lines, each harmless as ``one_line`` is; line breaks and tabs stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return re.sub(r"[^\n\t]+", lambda found: one_line(found[0]), text)


def coloured(text: str) -> str:
    """Return ``lines(text)``, but with the sequences that set colours, which commands of plugins may print."""
    if "\x1b" not in text:
        return lines(text)
    return "".join(part if place % 2 else lines(part) for place, part in enumerate(_COLOURS.split(text)))


def encodable(text: str, encoding: str) -> str:
    """Return text with what an encoding lacks written as in JSON."""
    with contextlib.suppress(UnicodeEncodeError):
        text.encode(encoding)
        return text

    def fit(found: re.Match[str]) -> str:
        try:
            found[0].encode(encoding)
        except UnicodeEncodeError:
            return written(found[0])
        return found[0]

    return re.sub("[^ -~\n\t]", fit, text)


def read_back(text: str) -> str:
    """Return the text that ``one_line`` made this of; other text, as it is."""
    found = _ESCAPES.sub(lambda part: _unwritten(part[0]), text)
    return found if found != text and one_line(found) == text else text


def _unwritten(escapes: str) -> str:
    return str(json.loads(f'"{escapes}"'))


def existing(path: str) -> str:
    """Return a path as it is if it exists; else as ``read_back`` if that exists: so shown paths can be given back."""
    if "\\" not in path or os.path.lexists(path):
        return path
    found = read_back(path)
    return found if found != path and os.path.lexists(found) else path


def quoted(path: PurePath | str) -> str:
    """Return a path as a word of a command that can be copied to a shell."""
    return shlex.quote(str(path))


def torchrun(processes: int) -> list[str]:
    """Return the words that begin a command of several processes on one machine; none for one process."""
    return (
        ["torchrun", "--standalone", "--nproc-per-node", str(processes), "--no-python", "--"] if processes > 1 else []
    )


def shell_word(text: str) -> str:
    r"""Return any text without zero bytes as a word of a command that can be copied from a terminal to bash or zsh.

    Characters that a terminal is not shown are written as these read them, ``$'two\nlines'``. Paths need no such care:
    genkit reads them as it shows them.
    """
    return shlex.quote(text) if one_line(text) == text else f"$'{''.join(map(_in_quotes, text))}'"


def _in_quotes(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if one_line(letter) == letter:
        return letter
    number = ord(letter)
    if number < 0x80 or 0xDC80 <= number <= 0xDCFF:  # the latter is a byte that is no UTF-8
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def json_text(document: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """Return JSON in ASCII. Raises ValueError for a number that is not finite."""
    return json.dumps(document, indent=indent, allow_nan=False, default=default).replace("\x7f", r"\u007f")


def json_value(value: Any) -> str:
    """Return a value as JSON for people, on one line: letters of all scripts stay."""
    return one_line(json.dumps(value, ensure_ascii=False))


def check_names(document: T) -> T:
    """Return JSON values; raises ValueError for half a surrogate pair that stands for no byte of a file's name.

    It is not a character, and no file accepts it.
    """
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"it holds {error.object[error.start]!r}, half a surrogate pair") from error
    return document


_WIDE = "\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212"
_LIKE_FORMULA = frozenset(f"=+-@{_WIDE}")
"""What begins a formula, and the wide, small, raised and lowered forms that a program may take for it."""
_UNSEEN = re.compile(rf"(?:\s|{_ESCAPES.pattern})+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def cell(value: Any) -> Any:
    """Return a value for a cell of CSV: text on one line, behind ``'`` if a spreadsheet would run it as a formula.

    Numbers stay numbers, -1.5 too, and None is empty.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    shown = one_line(value)
    seen = shown[begin.end() :] if (begin := _UNSEEN.match(shown)) else shown
    return f"'{shown}" if seen[:1] in _LIKE_FORMULA and not _NUMBER.fullmatch(shown) else shown


def comma_separated(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV, each on a line, with cells as by ``cell``."""
    import csv
    import io

    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return buffer.getvalue()


_MARKUP = re.compile(r"^\d*[#+\-=:.)!]|[\\`*_\[\]<>|~&@]|://|www\.", re.IGNORECASE)
_BLOCK = re.compile(r"^(\d*)([#+=:!]|-(?!\d)|[.)](?=\s|$))")
"""What begins a line and could make it a heading, a list or a rule; a number such as 1.5, -2 or 1-2 does not."""
_ADDRESS = re.compile(r"(?<=[\w.+-])@(?=[^\s@]*\.)")


def markdown(text: str) -> str:
    """Return text for a cell or line of Markdown, in which nothing is markup, a link or the end of the cell."""
    text = " ".join(one_line(text).split())
    if not _MARKUP.search(text):
        return text
    text = re.sub(r"[\\`*_\[\]<>|~&]", r"\\\g<0>", text).replace("://", r"\://")
    text = re.sub(r"\b(www)\.", r"\1\\.", text, flags=re.IGNORECASE)
    text = _ADDRESS.sub("@<!-- -->", text)  # GitHub links an address also where its @ is escaped
    return _BLOCK.sub(r"\1\\\2", text)


def fenced(text: str) -> str:
    """Return text as a block of code in Markdown, whose fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{lines(text)}\n{fence}"


def logger(name: str) -> logging.Logger:
    """Return the logger of a module; its messages are one harmless line each."""
    found = logging.getLogger(name)
    if _one_line_record not in found.filters:
        found.addFilter(_one_line_record)
    return found


def _one_line_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = one_line(record.getMessage()), None
    return True


def cleaned(value: Any) -> Any:
    """Return JSON values with every text in them as by ``one_line``; for what a page's script shows."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {cleaned(key): cleaned(each) for key, each in value.items()}
    return [cleaned(each) for each in value] if isinstance(value, list | tuple) else value


_HIDDEN = re.compile("[\x00\udc80-\udcff]")
_SHOWN = re.compile("\x00(00|[89a-f][0-9a-f])")


def hidden(value: Any) -> Any:
    """Return JSON values without half surrogate pairs, for a parser that refuses them; ``restored`` is the inverse."""
    if isinstance(value, str):
        return _HIDDEN.sub(lambda found: f"\x00{ord(found[0]) & 0xFF:02x}", value)
    if isinstance(value, dict):
        return {hidden(key): hidden(each) for key, each in value.items()}
    return [hidden(each) for each in value] if isinstance(value, list | tuple) else value


def restored(value: T) -> T:
    """Return what ``hidden`` was given, also of a dataclass that was made of it."""
    found: Any = value
    if isinstance(value, str):
        found = _SHOWN.sub(lambda part: chr(code + 0xDC00) if (code := int(part[1], 16)) else "\x00", value)
    elif isinstance(value, PurePath):
        found = type(value)(restored(str(value)))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            if (held := getattr(value, each.name)) is not (again := restored(held)):
                object.__setattr__(value, each.name, again)
    elif isinstance(value, dict):
        found = {restored(key): restored(each) for key, each in value.items()}
    elif type(value) is list:
        found = [restored(each) for each in found]
    elif type(value) is tuple:
        found = tuple(restored(each) for each in found)
    return found  # type: ignore[no-any-return]
