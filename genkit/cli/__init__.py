"""The command line: a thin face; the library does the work.

Nothing heavy is imported here, so that main() is there to hear a Ctrl-C that comes at once.
"""

from __future__ import annotations

import contextlib
import sys

from genkit.cli.process import STOPPED, guarded_streams, stoppable


def main() -> None:
    """Run the command line: one line for an error raised on purpose, a traceback for a bug."""
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
