"""The environment in which a number was measured: versions, machine, threads."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version


def command_line() -> str:
    """Return the command that runs, as it is typed; of a part of an evaluation that of the whole."""
    words, left_out = ["genkit"], False
    for word in sys.argv[1:]:
        if not left_out and word.partition("=")[0] not in ("--part", "--spool"):
            words.append(word)
        left_out = word in ("--part", "--spool")
    return shlex.join(words)


def describe() -> dict[str, str]:
    """Return the environment as text by key. User and host names are left out."""
    import torch

    known = {"python": platform.python_version(), "torch": torch.__version__, "threads": str(torch.get_num_threads())}
    known["platform"] = f"{platform.system()} {platform.machine()}"
    known["cores"] = str(os.cpu_count())
    if torch.cuda.is_available():
        known["gpu"] = torch.cuda.get_device_name()
    try:
        known["genkit"] = version("genkit-toolkit")
    except PackageNotFoundError:
        known["genkit"] = "unknown"
    return known
