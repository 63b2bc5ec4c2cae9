"""Settings of the process that a plugin's code may not leave changed: genkit's numbers and Ctrl-C depend on them."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Setting(NamedTuple):
    """How a module's setting is read and set, and what it is just after the module's import, if that is known."""

    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    fresh: Callable[[Any], Any] = lambda module: None


def _write_signals(module: Any, handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and threading.current_thread() is threading.main_thread():
            module.signal(number, handler)


_NUMPY = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_SETTINGS = (
    _Setting("os", lambda os: os.getcwd(), lambda os, folder: os.chdir(folder)),
    _Setting("gc", lambda gc: gc.isenabled(), lambda gc, on: gc.enable() if on else gc.disable()),
    _Setting("logging", lambda logging: logging.root.manager.disable, lambda logging, level: logging.disable(level)),
    _Setting("signal", lambda module: {number: module.getsignal(number) for number in _SIGNALS}, _write_signals),
    _Setting("numpy", lambda numpy: numpy.geterr(), lambda numpy, kept: numpy.seterr(**kept), lambda numpy: _NUMPY),
    _Setting(
        "torch",
        lambda torch: torch.get_default_dtype(),
        lambda torch, dtype: torch.set_default_dtype(dtype),
        lambda torch: torch.float32,
    ),
    _Setting(
        "torch", lambda torch: torch.is_grad_enabled(), lambda torch, on: torch.set_grad_enabled(on), lambda torch: True
    ),
    _Setting("torch", lambda torch: torch.get_num_threads(), lambda torch, number: torch.set_num_threads(number)),
)


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """Put back the working directory, filters of warnings, floating-point settings and signals that change meanwhile.

    Modules that are imported meanwhile get the settings that they come with.
    """
    before = [_read(each) for each in _SETTINGS]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for setting, kept in zip(_SETTINGS, before, strict=True):
                with contextlib.suppress(Exception):
                    right = kept if kept is not None else setting.fresh(sys.modules.get(setting.module))
                    if right is not None and (now := _read(setting)) is not None and now != right:
                        setting.write(sys.modules[setting.module], right)


def _read(setting: _Setting) -> Any:
    """Return a setting, None if its module is not imported, or only in part."""
    with contextlib.suppress(Exception):
        if (module := sys.modules.get(setting.module)) is not None:
            return setting.read(module)
    return None
