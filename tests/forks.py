"""Work done in forks of this process, alone or in several that train together."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable

from genkit.errors import GenkitError


def forked(work: Callable[[], object]) -> int:
    """Do some work in a forked process; return what it ended with, as ``os.waitstatus_to_exitcode``."""
    return _ended(_begun(work))


def together(work: Callable[[int], object], count: int = 2) -> list[int]:
    """Do ``work(rank)`` in processes with the variables that torchrun sets, which compute on one thread each.

    Return what they ended with: of an error of genkit its exit code.
    """
    port = free_port()

    def part(rank: int) -> None:
        import torch

        numbers = {"WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
        os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(number) for name, number in numbers.items()}})
        torch.set_num_threads(1)
        try:
            work(rank)
        except GenkitError as error:
            print(f"{rank}: {error}", flush=True)
            os._exit(error.exit_code)

    return [_ended(child) for child in [_begun(lambda rank=rank: part(rank)) for rank in range(count)]]


def free_port() -> int:
    """Return a port of this machine that nothing listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _begun(work: Callable[[], object]) -> int:
    """Fork. Whatever is raised there ends that process with 1: else it would go on as a second test run."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def _ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
