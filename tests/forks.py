"""Work done in a fork of this process."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """Do some work in a forked process; return what it ended with, as ``os.waitstatus_to_exitcode``.

    Whatever is raised there ends that process with 1: else it would go on as a second test run beside this one.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
