"""The engine: jobs of a board as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from genkit.benchmark.engine import Engine, EngineRequest, Lost, Task, refuse_options
from genkit.benchmark.work import STOPPED, TAKEN
from genkit.errors import GenkitError, OptionsError
from genkit.files.text import logger
from genkit_ray.unit import run

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # else, below uv run, it uploads the working directory
import ray

_LOG = logger(__name__)

DEFAULTS: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "max_retries": 3}

OPTIONS = (
    *("address", "num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "label_selector"),
    *("max_retries", "retry_exceptions", "scheduling_strategy", "runtime_env", "object_store_memory"),
)
"""The address of a cluster, and Ray's options of a task that make sense for a job."""

ANSWER = 10.0
"""Seconds in which a cluster must answer: Ray itself tries for minutes, and prints each try."""

PATIENCE = 60.0
"""Seconds in which cancelled tasks save a checkpoint."""


def ray_engine(request: EngineRequest) -> RayEngine:
    """Return the engine, connected; raises OptionsError for options that Ray does not take, GenkitError without it."""
    options = {**DEFAULTS, **request.options}
    refuse_options("ray", options, OPTIONS)
    address = options.pop("address", None)
    try:
        remote = ray.remote(**options)(run)
    except (ValueError, TypeError) as error:
        raise OptionsError("engine ray: " + re.sub(r"<class '(.*?)'>", r"\1", _one_line(error))) from error
    started = not ray.is_initialized()
    if started:
        _check_answers(str(address or os.environ.get("RAY_ADDRESS", "")))
        try:
            with _signals_kept():
                ray.init(
                    address=address,
                    runtime_env={"env_vars": _environment()},
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                )
        except Exception as error:  # Ray's own, of its Python and its C++, have no base in common
            raise GenkitError(
                f"no Ray cluster can be used: {_one_line(error)}; start one with ray start --head, or one of this "
                "machine alone with -e address=local"
            ) from error
    _warn_of_too_few(options)
    return RayEngine(remote, request, started)


def _warn_of_too_few(options: dict[str, Any]) -> None:
    """Say if a job asks for more than the whole cluster has: it waits, perhaps for ever."""
    there = ray.cluster_resources()
    for option, name in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
        wanted, have = options.get(option) or 0, there.get(name, 0)
        if wanted > have:
            _LOG.warning(
                "a job asks for %s=%g and this cluster has %g: it waits for more machines", option, wanted, have
            )


def _check_answers(address: str) -> None:
    """Raise GenkitError if nothing answers at HOST:PORT; other addresses, such as "auto", are Ray's to find."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise GenkitError(
            f"no Ray cluster answers at {address}: {_one_line(error)}; look at ray status there, or start one of this "
            "machine alone with -e address=local"
        ) from error


class RayFuture:
    """A task of Ray."""

    def __init__(self, reference: Any, log: Path) -> None:
        self._reference, self.log, self._cancelled = reference, log, False

    def done(self) -> bool:
        """See Future."""
        return bool(ray.wait([self._reference], timeout=0)[0])

    def result(self) -> str:
        """See Future."""
        try:
            said = str(ray.get(self._reference))
        except ray.exceptions.RayTaskError as error:
            raise Lost(f"it failed: {_one_line(error.cause)}; its log is {self.log}") from error
        except ray.exceptions.RayError as error:
            raise Lost(f"Ray gave it up: {_one_line(error)}; its log is {self.log}") from error
        return TAKEN if said == STOPPED and not self._cancelled else said  # its machine was taken: it is begun again

    def cancel(self) -> None:
        """See Future; a second signal would not let the task save."""
        if not self._cancelled:
            self._cancelled = True
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(self._reference)


class RayEngine(Engine):
    """Submits to Ray, in whose queue everything waits; its tasks end with this process."""

    def __init__(self, remote: Any, request: EngineRequest, started: bool) -> None:
        self._remote, self._folder, self._prepare, self._started = remote, request.folder, request.prepare, started
        self.limit = request.workers
        self._futures: list[RayFuture] = []

    def submit(self, name: str, task: Task) -> RayFuture:
        """See Engine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"{name}.log"
        reference = self._remote.options(name=f"genkit-{name}").remote(task, self._prepare, str(log), os.getcwd())
        self._futures.append(RayFuture(reference, log))
        return self._futures[-1]

    def close(self) -> None:
        """Stop the tasks that there are, and wait until they have ended; end a cluster that was begun here."""
        for future in [each for each in self._futures if not each.done()]:
            future.cancel()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not all(each.done() for each in self._futures):
            time.sleep(0.2)
        if self._started:
            ray.shutdown()


def _environment() -> dict[str, str]:
    """The variables that tasks need on other machines too."""
    names = [name for name in os.environ if name.startswith("GENKIT_") or name == "OMP_NUM_THREADS"]
    return {name: os.environ[name] for name in names}


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what SIGTERM does here: Ray has a handler of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Callable[..., Any] | int | None = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:500]
