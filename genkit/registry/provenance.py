"""Which code made a number: the sources and the version of what a plugin offers.

genkit's own code is left out: its extractors are known by the hash of their weights, its metrics by their version, so a
comment in genkit divides no board. Of other code, ``Code.source`` covers

- the module of the spec's target, that of the function or class it is, and that of what the function returned,
- the modules these import, at their top or in functions, as far as they are the plugin's: of the same package, of
  another package of its distribution, or not installed (an editable install, a file on PYTHONPATH),
- every file of a package, data too, once one of its modules imports by name or looks for files beside itself,
- the name and version of each library that these import, but of those that genkit itself needs.

It does not cover the sources of libraries, and files that lie elsewhere.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import operator
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, files, packages_distributions, version
from pathlib import Path
from typing import Any

from genkit.errors import PluginError
from genkit.files.integrity import sha256_file
from genkit.files.text import logger
from genkit.registry.discovery import registry
from genkit.registry.loaded import LIBRARIES, Unreadable, find, loaded_from, not_installed
from genkit.registry.specs import Spec

_LOG = logger(__name__)

_PLACES = frozenset(["__file__", "__path__", "__spec__", "__loader__", "__import__"])
_BY_NAME = _PLACES | {
    "importlib",
    "importlib_resources",
    "inspect",
    "pkg_resources",
    "pkgutil",
    "runpy",
    "exec",
    "eval",
}
"""Names by which a module loads code or data that no import statement shows; of attributes, ``_PLACES`` alone."""
_OWN = {"torch_fidelity", "torchmetrics", "numpy", "scipy", "sklearn", "PIL", "safetensors", "pluggy", "click", "rich"}
"""Libraries that genkit needs itself: another version of them divides no board of genkit's own scores either."""


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


_UNREADABLE = "unreadable-"
_tokens: list[tuple[tuple[object, ...], str]] = []
"""What stands for unreadable sources, by the functions and classes they are of."""


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
    foreign = sorted(name for name in roots if name.partition(".")[0] not in LIBRARIES)
    if not foreign:
        return None
    try:
        return Code(dist, version, _hash(foreign, dist))
    except Unreadable as error:
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
    """Return the hash of modules and of what they import of their own; raises Unreadable."""
    own = {name.partition(".")[0] for name in roots} | _packages_of(dist)
    hashes: dict[str, str] = {}
    whole, libraries = set[str](), set[str]()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in hashes:
            continue
        data, spec = loaded_from(name)
        hashes[name] = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
        tree = _parsed(data) if (spec.origin or "").endswith((".py", ".pyw")) else None
        if (tree is None and data) or (tree is not None and _loads_by_name(tree)):
            whole.add(name.partition(".")[0])
        todo += _imports(tree, spec, own) if tree is not None else ()
        libraries |= {each for each in _top_level(tree) if not _is_own(each, own)} if tree is not None else set()
    for package in whole:
        hashes |= _files_of(package)
    for library in libraries - LIBRARIES - _OWN:
        hashes |= _version_of(library)
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


def _parsed(data: bytes) -> ast.Module | None:
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _loads_by_name(tree: ast.Module) -> bool:
    """Whether a module may load code or data that its import statements don't show."""
    for node in ast.walk(tree):
        named: list[Any] = []
        if isinstance(node, ast.Name):
            named = [node.id]
        elif isinstance(node, ast.Attribute):
            of_sys = isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr == "modules"
            named = ["__import__" if of_sys else node.attr] if of_sys or node.attr in _PLACES else []
        elif isinstance(node, ast.Constant):
            named = [node.value] if node.value in _PLACES else []
        elif isinstance(node, ast.Import):
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
                found.append(inner if find(inner) is not None else base)
    return [name for name in found if find(name) is not None]


def _top_level(tree: ast.Module) -> Iterator[str]:
    """Yield the packages that the import statements of a module name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def _version_of(library: str) -> dict[str, str]:
    """Return the version of the installed distributions of a library, by their names; none if there is no such one."""
    if find(library) is None:
        return {}
    try:
        return {library: version(library)}
    except PackageNotFoundError:
        return {dist: version(dist) for dist in _distributions().get(library, ())}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _is_own(module: str, own: set[str]) -> bool:
    package = module.partition(".")[0]
    return bool(package) and package not in LIBRARIES and (package in own or not_installed(package))


def _files_of(package: str) -> dict[str, str]:
    """Return the hashes of all files of a package, without what Python and tools leave there."""
    spec = find(package)
    hashes: dict[str, str] = {}
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        if not os.path.isdir(location):
            raise Unreadable(f"package {package} looks for files beside itself, and is in an archive")
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
                    raise Unreadable(f"{path}: {error.strerror or error}") from error
    return hashes
