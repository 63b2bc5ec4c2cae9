"""The errors that genkit raises; each message is one sentence: what is wrong and what to do.

    GenkitError                exit code 1  the work failed
    ├── DataError                        1  a file or image that can't be used
    ├── TrainingError                    1  a run that failed
    ├── Unmeasurable                     1  a metric without a value here: shown as "-" with the reason
    ├── UsageError                       2  a request that can't be understood
    │   ├── UnknownName                  2  no such model, data set, metric ...
    │   ├── AmbiguousName                2  two plugins offer it
    │   └── OptionsError                 2  an option of a wrong name, type or range
    ├── MissingError                     3  data or weights that are missing
    ├── PluginError                      4  a plugin that is broken
    └── Interrupted                    130  stopped by Ctrl-C or SIGTERM, work saved

Errors of the system, such as a full disk, exit with 1. Any other exception is a bug and keeps its traceback.

The library never prints. What costs the caller something, such as a plugin that is left out, is a GenkitWarning; a
callback or an observer that fails is logged under ``genkit``, so that no warning filter can stop the work. The command
line shows both as ``genkit: message`` on stderr.

Messages hold names, and a name may hold anything. As text they are one line that no terminal obeys: see ``one_line``.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable

_SPACES = frozenset("\u00a0\u1680\u202f\u205f\u3000") | {chr(code) for code in range(0x2000, 0x200B)}
"""Spaces that are as harmless as the common one."""
_SELECTORS = frozenset(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Each chooses between forms of the letter before it, as of emojis and Han characters, and shows nothing else."""
_INVISIBLE = _SELECTORS | frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters that show nothing, as format characters do: text that begins with one is not what it seems."""
_JOINERS = "\u200c\u200d"
"""Part of emojis and of words in several scripts; between other letters they only hide."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def one_line(text: str) -> str:
    r"""Return text as one line that shows all it holds, and in which a terminal, a page or a table finds no command.

    Control characters, line breaks, marks of direction, characters without width and bytes that are no UTF-8 (half
    surrogate pairs) are written as in JSON: ``\u001b``, ``\n``, ``\udcff``. Other text, with backslashes too, is
    returned as it is. ``genkit.files.text.read_back`` is the inverse.
    """
    if text.isascii() and text.isprintable():
        return text
    return re.sub("[^ -~]", _shown, text)


def _shown(found: re.Match[str]) -> str:
    letter, place, text = found[0], found.start(), found.string
    before = text[place - 1 : place]
    if letter in _SELECTORS:
        harmless = before.isprintable() and not before.isascii() and before not in _INVISIBLE
    elif letter.isprintable():
        harmless = letter not in _INVISIBLE
    elif letter in _JOINERS:
        harmless = not any(each.isascii() for each in (before, text[place + 1 : place + 2]))
    else:
        harmless = letter in _SPACES
    return letter if harmless else written(letter)


def written(letter: str) -> str:
    """Return a character as JSON writes it, one outside the first 65,536 as a pair."""
    halves = letter.encode("utf-16-be", "surrogatepass").hex()
    return _SHORT.get(letter) or "".join(f"\\u{halves[at : at + 4]}" for at in range(0, len(halves), 4))


class _OneLine:
    """Makes the text of an exception one line; ``args`` hold the message as it was given."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class GenkitError(_OneLine, Exception):
    """Base of all errors; ``exit_code`` is that of the command line."""

    exit_code = 1


class GenkitWarning(_OneLine, UserWarning):
    """The work goes on, but without something that was asked for; the message says what and why."""


class DataError(GenkitError):
    """A file, image or label that can't be used; the message names it."""


class TrainingError(GenkitError):
    """A training run that failed, e.g. by a loss that is not finite."""


class Unmeasurable(GenkitError):
    """Raised by a metric that has no value here, with the reason; the evaluation shows ``-`` and continues."""


class UsageError(GenkitError):
    """A request that can't be understood."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that does not exist; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        known = sorted(set(known))
        super().__init__(f"no {kind} named {name!r}.{suggestion(name, known)}{listing}")


class AmbiguousName(UsageError):
    """A name that two plugins offer; ``dist:name`` is unambiguous."""


class OptionsError(UsageError):
    """An unknown option, or a value of a wrong type or out of range; the message names the option."""


class MissingError(GenkitError):
    """Data or weights that are missing on this machine; the message says where to put them."""

    exit_code = 3


class PluginError(GenkitError):
    """A plugin that can't be imported or breaks the contract."""

    exit_code = 4


class Interrupted(GenkitError):
    """The user stopped the work; what was done is saved."""

    exit_code = 130


_SYSTEM = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.ENAMETOOLONG: "give a shorter one",
    errno.ENOENT: "check that it is there",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "check the disk",
}


def of_system(error: OSError | MemoryError) -> str:
    """Return the sentence for an error of the system that nothing closer to its cause has worded."""
    if isinstance(error, MemoryError):
        said = " ".join(str(error).split()) or "nothing is left"
        return f"the memory of this machine is not enough ({said}): ask for less"
    named = error.filename if error.filename2 is None else error.filename2  # what a temporary file was to become
    name = os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else "a file or connection"
    short = name if len(name) <= 200 else f"{name[:100]}..."
    remedy = _SYSTEM.get(error.errno or 0, "check its place and permissions")
    return f"{short} can't be used: {error.strerror or error}; {remedy}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of ``known`` in any case, or an empty string."""
    by_text = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_text, n=1, cutoff=0.6)
    return f" Did you mean {by_text[near[0]]!r}?" if near else ""
