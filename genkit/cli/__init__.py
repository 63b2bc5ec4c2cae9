"""The command line: it parses and prints, the library does the work.

Nothing heavy is imported here, so that even an immediate Ctrl-C reaches main().
"""

from __future__ import annotations

import atexit
import contextlib
import sys

from genkit.cli.process import STOPPED, guarded_streams, quiet_end, show_bug, stoppable


def main() -> None:
    """Run the command line: an expected error prints one line, a bug its traceback."""
    sys.excepthook = show_bug
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
    atexit.register(quiet_end, code)  # last, so that it comes before what others have registered
    sys.exit(code)
