"""Commands that torchrun launches in several processes: the first alone prints, but each says why it fails itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import click

from genkit.cli.output import silent
from genkit.errors import Interrupted, UsageError
from genkit.files.guard import by_user


@contextlib.contextmanager
def first_speaks() -> Iterator[None]:
    """Let the first process alone print; others end quietly where they are stopped, or another one has failed."""
    from genkit.devices import launched
    from genkit.training.distributed import PeerLost

    if launched().rank == 0:
        yield
        return
    with silent():
        try:
            yield
            return
        except (Interrupted, PeerLost) as error:
            code = error.exit_code
        except KeyboardInterrupt as error:
            if not by_user(error):
                raise
            code = Interrupted.exit_code
    click.get_current_context().exit(code)


def is_first() -> bool:
    """Whether this process is the first of those that were launched together, or alone.

    So it is where the environment does not say it: this is said where it matters.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":  # before torch is imported
        return True
    from genkit.devices import launched

    try:
        return launched().rank == 0
    except UsageError:
        return True
