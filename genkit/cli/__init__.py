"""The command line: it parses and prints, the library does the work.

Nothing heavy is imported here, so that even an immediate Ctrl-C reaches main().
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import sys

from genkit.cli.process import STOPPED, guarded_streams, show_bug, stoppable


def main() -> None:
    """Run the command line: an expected error prints one line, a bug its traceback."""
    sys.excepthook = show_bug
    atexit.register(_finished)
    try:
        with stoppable(), guarded_streams():
            from genkit.cli.commands import run
            from genkit.cli.messages import messages_shown

            with messages_shown():
                code = run()
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("stopped", file=sys.stderr)
        code = STOPPED
    sys.exit(code)


def _finished() -> None:
    """Let a Ctrl-C change nothing any more while Python ends: it would print a traceback, with the work done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
