"""The errors that genkit raises on purpose; each message is one sentence: what is wrong and what to do.

    GenkitError                exit code 1  the work failed
    ├── DataError                        1  a file or image that can't be used
    ├── TrainingError                    1  a run that can't go on
    ├── Unmeasurable                     1  a metric that has no number here: shown as "-" with the reason
    ├── UsageError                       2  a request that can't be understood
    │   ├── UnknownName                  2  no such model, data set, metric ...
    │   ├── AmbiguousName                2  two plugins offer it
    │   └── OptionsError                 2  an option of a wrong name, type or range
    ├── MissingError                     3  data or weights that aren't there
    ├── PluginError                      4  a plugin that is broken
    └── Interrupted                    130  stopped by Ctrl-C or SIGTERM, nothing lost

Anything else that is raised is a bug and keeps its traceback.

The library never prints. What costs the caller something, such as a plugin that is left out, is a GenkitWarning; a
callback or an observer that fails is logged under ``genkit``, so that no warning filter can stop the work. The command
line shows both as ``genkit: message`` on stderr.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenkitError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is the command line's."""

    exit_code = 1


class GenkitWarning(UserWarning):
    """The work goes on, but without something that was asked for; the message says what and why."""


class DataError(GenkitError):
    """A file, image or label that can't be used; the message names it."""


class TrainingError(GenkitError):
    """A training run that can't go on, for instance after a non-finite loss."""


class Unmeasurable(GenkitError):
    """What a metric raises where it has no number, with the reason; an evaluation shows ``-`` and goes on."""


class UsageError(GenkitError):
    """A request that can't be understood."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing offers; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        known = sorted(set(known))
        super().__init__(f"no {kind} named {name!r}.{suggestion(name, known)}{listing}")


class AmbiguousName(UsageError):
    """A bare name that two plugins offer; ``dist:name`` says which is meant."""


class OptionsError(UsageError):
    """An option of an unknown name, a wrong type or out of range; the message names the field."""


class MissingError(GenkitError):
    """Data or weights that are not on this machine; the message says where to put them."""

    exit_code = 3


class PluginError(GenkitError):
    """A plugin that does not import or breaks the contract."""

    exit_code = 4


class Interrupted(GenkitError):
    """The user stopped the work; what was done is saved."""

    exit_code = 130


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of ``known``, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
