"""Which code made a number: the sources and the version of what a plugin offers.

genkit's own code is left out: its extractors are known by the hash of their weights, its metrics by their version, so a
comment in genkit divides no board. Of other code, ``Code.source`` covers

- the module of the spec's target, that of the function or class it is, and that of what the function returned,
- the modules these import, at their top or in functions, as far as they are the plugin's: of the same package, of
  another package of its distribution, or not installed (an editable install, a file on PYTHONPATH),
- every file of a package, data too, once one of its modules imports by name or looks for files beside itself.

It does not cover libraries, whose versions are their own, and files that lie elsewhere.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import operator
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from genkit.errors import PluginError
from genkit.files.integrity import sha256_file
from genkit.files.reading import entire, read_file
from genkit.files.text import logger
from genkit.registry.discovery import registry
from genkit.registry.specs import Spec

_LOG = logger(__name__)

_LIBRARIES = {"genkit", "torch", "torchvision", *sys.stdlib_module_names} - {"__main__"}
"""Packages that are never looked into, wherever they lie."""
_INSTALLED = {"site-packages", "dist-packages"}
_BY_NAME = frozenset(
    ["importlib", "pkgutil", "runpy", "__import__", "exec", "eval", "__file__", "__path__", "__spec__", "__loader__"]
)
"""Names by which a module loads code or data that no import statement shows."""


@dataclass(frozen=True)
class Code:
    """A plugin's distribution and version, and the hash of the sources that take part.

    Where sources can't be read, ``source`` is a random text that is used once, so that nothing is taken for equal.
    """

    dist: str
    version: str
    source: str

    @property
    def readable(self) -> bool:
        """Whether the sources could be read."""
        return not self.source.startswith(_UNREADABLE)

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that are equal exactly when distribution, version and sources are."""
        return hashlib.sha256(repr((self.dist, self.version, self.source)).encode()).hexdigest()[:16]

    @property
    def short(self) -> str:
        """Distribution, version and the first digits of the hash, for a line of text."""
        shown = self.source[:8] if self.readable else "of unknown source"
        return " ".join(each for each in (self.dist, self.version, shown) if each)


class _UnreadableError(Exception):
    """The sources of a module can't be read."""


_UNREADABLE = "unreadable-"
_tokens: list[tuple[tuple[object, ...], str]] = []
"""What stands for unreadable sources, by the functions and classes they are of."""
_read: dict[str, tuple[ModuleSpec, bytes]] = {}
"""What modules were loaded from: a file that changes afterwards is not the code that runs. A reload has a new spec."""


def code_of(spec: Spec, *made: object) -> Code | None:
    """Return the code behind a spec and what its target returned, or None for genkit's own and what can't be loaded."""
    try:
        target = spec.load()
    except PluginError:
        return None
    roots = {spec.target.partition(":")[0]}.union(*(_modules_of(each) for each in (target, *map(type, made))))
    offering = (each for each in registry().plugins if any(one is spec for one in each.specs.get(type(spec), ())))
    plugin = next(offering, None)
    dist, version = (plugin.dist, plugin.version) if plugin is not None else ("", "")
    return _code((target, *map(type, made)), f"{spec.kind} {spec.name}", roots, dist, version)


def code_of_object(thing: object) -> Code | None:
    """Return the code of a class or object that no spec is known of, without distribution; None for genkit's own."""
    cls = thing if isinstance(thing, type) else type(thing)
    return _code((cls,), f"{cls.__module__}.{cls.__qualname__}", set(_modules_of(cls)), "", "")


def _code(key: tuple[object, ...], what: str, roots: set[str], dist: str, version: str) -> Code | None:
    foreign = sorted(name for name in roots if name.partition(".")[0] not in _LIBRARIES)
    if not foreign:
        return None
    try:
        return Code(dist, version, _hash(foreign, dist))
    except _UnreadableError as error:
        for known, token in _tokens:
            if len(known) == len(key) and all(map(operator.is_, known, key)):
                return Code(dist, version, token)
        _tokens.append((key, _UNREADABLE + secrets.token_hex(8)))
        _LOG.warning(
            "the sources of %s can't be read (%s): what it computes is not kept, and compared within this "
            "process alone; put its code into a file",
            what,
            error,
        )
        return Code(dist, version, _tokens[-1][1])


def _modules_of(thing: Any) -> Iterator[str]:
    """Yield the modules that define a function, class or object, and the classes it is derived from up to genkit's."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    if inspect.ismethod(thing):
        yield from _modules_of(thing.__self__)
    if not isinstance(thing, type):
        thing = inspect.unwrap(thing)
    for cls in (thing if isinstance(thing, type) else type(thing)).__mro__:
        if any(base.__module__.startswith("genkit.") for base in cls.__mro__) or cls is type(thing):
            yield cls.__module__
    yield str(getattr(thing, "__module__", None) or "builtins")


def _hash(roots: Sequence[str], dist: str) -> str:
    """Return the hash of modules and of what they import of their own; raises _UnreadableError."""
    own = {name.partition(".")[0] for name in roots} | _packages_of(dist)
    hashes: dict[str, str] = {}
    whole: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in hashes:
            continue
        data, spec = _loaded_from(name)
        hashes[name] = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
        tree = _parsed(data) if (spec.origin or "").endswith((".py", ".pyw")) else None
        if (tree is None and data) or (tree is not None and _loads_by_name(tree)):
            whole.add(name.partition(".")[0])
        todo += _imports(tree, spec, own) if tree is not None else ()
    for package in whole:
        hashes |= _files_of(package)
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


@functools.cache
def _packages_of(dist: str) -> frozenset[str]:
    """Return the names that a distribution's files are imported by."""
    try:
        found = files(dist) if dist else None
    except PackageNotFoundError:
        found = None
    return frozenset(file.parts[0].partition(".")[0] for file in found or () if file.suffix in (".py", ".so", ".pyd"))


def _loaded_from(name: str) -> tuple[bytes, ModuleSpec]:
    """Return what a module was loaded from, or is on disk if it is not loaded; raises _UnreadableError."""
    spec = _find(name)
    if spec is None:
        raise _UnreadableError(f"module {name} has no file")
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if loaded is not None and name in _read and _read[name][0] is loaded:
        return _read[name][1], spec
    if spec.origin is None and spec.submodule_search_locations is not None:  # a namespace package
        return b"", spec
    try:
        path = str(spec.origin)
        loader: Any = spec.loader
        data: bytes = read_file(path, entire()) if os.path.isfile(path) else loader.get_data(path)
    except (OSError, AttributeError, ValueError) as error:
        raise _UnreadableError(f"module {name} has no file") from error
    if loaded is not None:
        _read[name] = loaded, data
    return data, spec


def _find(name: str) -> ModuleSpec | None:
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
        above = _find(package)
        locations = None if above is None else above.submodule_search_locations
        return None if locations is None else PathFinder.find_spec(name, locations)
    except (ImportError, ValueError, AttributeError):
        return None


def _parsed(data: bytes) -> ast.Module | None:
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _loads_by_name(tree: ast.Module) -> bool:
    """Whether a module may load code or data that its import statements don't show."""
    for node in ast.walk(tree):
        named = [node.id] if isinstance(node, ast.Name) else []
        if isinstance(node, ast.Import):
            named = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            named = [str(node.module).partition(".")[0]]
        if not _BY_NAME.isdisjoint(named):
            return True
    return False


def _imports(tree: ast.Module, spec: ModuleSpec, own: set[str]) -> list[str]:
    """Return the modules of a plugin's own that one of its modules imports."""
    package = spec.name if spec.submodule_search_locations is not None else spec.name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_own(alias.name, own)]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names if _is_own(base, own) else ():
                inner = f"{base}.{alias.name}"
                found.append(inner if _find(inner) is not None else base)
    return [name for name in found if _find(name) is not None]


def _is_own(module: str, own: set[str]) -> bool:
    package = module.partition(".")[0]
    return bool(package) and package not in _LIBRARIES and (package in own or _not_installed(package))


def _not_installed(package: str) -> bool:
    """Whether a package lies outside of where installed ones are: in a folder that its author works in."""
    spec = _find(package)
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(os.path.exists(place) and not _INSTALLED & set(Path(place).parts) for place in places)


def _files_of(package: str) -> dict[str, str]:
    """Return the hashes of all files of a package, without what Python and tools leave there."""
    spec = _find(package)
    hashes: dict[str, str] = {}
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        if not os.path.isdir(location):
            raise _UnreadableError(f"package {package} looks for files beside itself, and is in an archive")
        for folder, folders, names in os.walk(location):
            folders[:] = sorted(each for each in folders if each != "__pycache__" and not each.startswith("."))
            for name in names:
                if name.startswith(".") or name.endswith(".pyc"):
                    continue
                path = Path(folder, name)
                label = f"{package}/{path.relative_to(location).as_posix()}"
                try:
                    hashes[label] = sha256_file(path)
                except OSError as error:
                    raise _UnreadableError(f"{path}: {error.strerror or error}") from error
    return hashes
