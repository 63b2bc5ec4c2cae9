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

Any other exception is a bug and keeps its traceback.

The library never prints. What costs the caller something, such as a plugin that is left out, is a GenkitWarning; a
callback or an observer that fails is logged under ``genkit``, so that no warning filter can stop the work. The command
line shows both as ``genkit: message`` on stderr.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenkitError(Exception):
    """Base of all errors; ``exit_code`` is that of the command line."""

    exit_code = 1


class GenkitWarning(UserWarning):
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


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of ``known`` in any case, or an empty string."""
    by_text = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_text, n=1, cutoff=0.6)
    return f" Did you mean {by_text[near[0]]!r}?" if near else ""
