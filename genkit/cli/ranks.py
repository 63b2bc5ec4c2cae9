"""Commands that torchrun launches in several processes: the first alone prints, but each says why it fails itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

from genkit.cli.output import silent
from genkit.errors import GenkitError, Interrupted


@contextlib.contextmanager
def first_speaks() -> Iterator[None]:
    """Let the first process alone print; others end quietly where they are stopped, or another one has failed."""
    from genkit.devices import launched
    from genkit.training.distributed import PeerLost

    if launched().rank == 0:
        yield
        return
    ended: GenkitError
    with silent():
        try:
            yield
        except (Interrupted, PeerLost) as error:
            ended = error
        else:
            return
    click.get_current_context().exit(ended.exit_code)
