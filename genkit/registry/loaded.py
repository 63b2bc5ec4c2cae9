"""What modules were loaded from. A file that changes afterwards, as one is edited during training, is not the code that
runs, so the sources of plugins are read as soon as they are imported.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from genkit.files.reading import entire, read_file

LIBRARIES = {"genkit", "torch", "torchvision", *sys.stdlib_module_names} - {"__main__"}
"""Packages that are never looked into, wherever they lie."""

_INSTALLED = {"site-packages", "dist-packages"}

_seen: dict[str, ModuleSpec] = {}
_read: dict[str, tuple[ModuleSpec, bytes]] = {}
"""The bytes by module; a reload has a new spec."""


class Unreadable(Exception):
    """The sources of a module can't be read."""


def note(package: str) -> None:
    """Read the modules that are new since the last call, as far as they are of a package or not installed."""
    for name, module in list(sys.modules.items()):
        spec = vars(module).get("__spec__") if isinstance(module, types.ModuleType) else None
        if not isinstance(spec, ModuleSpec) or _seen.get(name) is spec:
            continue
        _seen[name] = spec
        top = name.partition(".")[0]
        if top not in LIBRARIES and (top == package or not _lies_installed(spec)):
            try:
                _read[name] = spec, _bytes(name, spec)
            except Unreadable:
                continue


def loaded_from(name: str) -> tuple[bytes, ModuleSpec]:
    """Return what a module was loaded from, or is on disk if it is not loaded; raises Unreadable."""
    spec = find(name)
    if spec is None:
        raise Unreadable(f"module {name} has no file")
    running = getattr(sys.modules.get(name), "__spec__", None)
    if running is not None and name in _read and _read[name][0] is running:
        return _read[name][1], spec
    data = _bytes(name, spec)
    if running is not None:
        _read[name] = running, data
    return data, spec


def _bytes(name: str, spec: ModuleSpec) -> bytes:
    if spec.origin is None and spec.submodule_search_locations is not None:  # a namespace package
        return b""
    try:
        path = str(spec.origin)
        loader: Any = spec.loader
        data: bytes = read_file(path, entire()) if os.path.isfile(path) else loader.get_data(path)
    except (OSError, AttributeError, ValueError) as error:
        raise Unreadable(f"module {name} has no file") from error
    return data


def find(name: str) -> ModuleSpec | None:
    """Return where a module is, without importing anything; None if there is no such module."""
    module = sys.modules.get(name)
    spec: ModuleSpec | None = getattr(module, "__spec__", None)
    if spec is not None:
        return spec
    if module is not None:  # a script, or a module made by hand
        file = getattr(module, "__file__", None)
        return ModuleSpec(name, None, origin=file) if file else None
    package = name.rpartition(".")[0]
    try:
        if not package:
            return importlib.util.find_spec(name)
        above = find(package)
        locations = None if above is None else above.submodule_search_locations
        return None if locations is None else PathFinder.find_spec(name, locations)
    except (ImportError, ValueError, AttributeError):
        return None


def not_installed(package: str) -> bool:
    """Whether a package lies outside of where installed ones are: in a folder that its author works in."""
    spec = find(package)
    return spec is not None and not _lies_installed(spec)


def _lies_installed(spec: ModuleSpec) -> bool:
    """Whether a module is where installed ones are, or nowhere."""
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return not any(not _INSTALLED & set(Path(str(place)).parts) and os.path.exists(place) for place in places)
