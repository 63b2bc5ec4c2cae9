"""Locations of stores: a local folder, or any URL that fsspec can open."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from genkit.errors import GenkitError, MissingError, UnknownName, UsageError
from genkit.files.writing import write_atomic

_URL = re.compile(r"[a-z][a-z0-9+.-]*(://|::)")
_NO_LONGER_URL = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]")

_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "ocilake", "oss", "memory"}
"""Protocols of object stores: an object is visible only once it is complete."""

_CACHES = {"blockcache", "cached", "filecache", "simplecache"}
"""Caching protocols, which may precede a URL and have no path of their own."""

Content = bytes | str
"""The content of a file as bytes, or as text the reason why it can't be read."""


class RecordFile(NamedTuple):
    """A record's file: the folder that holds its ``records`` folder, the file's name, full path and content."""

    folder: str
    name: str
    path: str
    data: Content


class Location(Protocol):
    """The files below a folder or URL, named by relative paths with slashes. All methods raise GenkitError."""

    def records(self) -> Iterator[RecordFile]:
        """Yield every ``**/records/*.json`` in any order."""

    def files(self, folder: str) -> dict[str, Content]:
        """Return the regular files of a folder by name; empty if there is no such folder."""

    def write(self, path: str, data: bytes) -> str:
        """Write a file atomically and return its full path."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with its files."""

    def ready(self, folder: str) -> None:
        """Raise if files can't be written to a folder."""


def is_url(address: Path | str) -> bool:
    """Whether an address is a URL for fsspec; a Path never is."""
    return isinstance(address, str) and _URL.match(address) is not None


def open_location(address: Path | str) -> Location:
    """Return the location at an address.

    Raises UnknownName for an unknown protocol, MissingError if its driver is not installed, and UsageError for a URL
    that was turned into a Path.
    """
    if not is_url(address):
        if _NO_LONGER_URL.match(str(address)):
            raise UsageError(f"{address} was a URL before it became a path: pass it as a string, with both slashes")
        return Folder(Path(address))
    from fsspec import available_protocols, registry  # type: ignore[import-untyped]
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    url = str(address)
    known = {*available_protocols(), *registry}
    for part in url.split("::"):  # as in simplecache::s3://bucket
        protocol = part.partition("://")[0]
        if protocol not in known:
            raise UnknownName("protocol", protocol, known, f" ({url} is not a store)")
    try:
        with _sentence(f"the store {url} can't be reached"):
            filesystem, root = url_to_fs(url)
    except GenkitError as error:
        if isinstance(error.__cause__, ImportError):
            raise MissingError(str(error)) from error.__cause__
        raise
    return Folder(Path(root)) if "file" in _protocols(filesystem) else Remote(url, filesystem, root)


def is_document(name: str) -> bool:
    """Whether a file name is that of a complete JSON document; unfinished ones begin with a dot."""
    return name.endswith(".json") and not name.startswith(".")


def _protocols(filesystem: Any) -> tuple[str, ...]:
    """The protocol names of a filesystem; drivers give one or several."""
    names = filesystem.protocol
    return (names,) if isinstance(names, str) else tuple(names)


@contextlib.contextmanager
def _sentence(complaint: str) -> Iterator[None]:
    """Turn any error into one sentence; the drivers of fsspec share no base class of errors."""
    try:
        yield
    except Exception as error:
        raise GenkitError(f"{complaint}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or str(error) or type(error).__name__).split())


class Folder:
    """A local folder. Files are written under a temporary name, synced and renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def records(self) -> Iterator[RecordFile]:
        """See Location. A folder that can't be listed is yielded as a file that can't be read."""
        unlisted: list[OSError] = []
        for folder, _, names in os.walk(self.root, onerror=unlisted.append):
            if os.path.basename(folder) != "records":
                continue
            holder = os.path.dirname(folder) or "."
            for name in filter(is_document, names):
                path = os.path.join(folder, name)
                yield RecordFile(holder, name, path, _content(path))
        for missed in unlisted:
            if not isinstance(missed, FileNotFoundError):
                yield RecordFile("", "", str(missed.filename), _reason(missed))

    def files(self, folder: str) -> dict[str, Content]:
        """See Location. Symbolic links are skipped, as they may point anywhere."""
        path = self.root / folder
        with _sentence(f"{path} can't be read"):
            try:
                found = sorted(os.scandir(path), key=lambda entry: entry.name)
            except FileNotFoundError:
                return {}
            plain = [each for each in found if each.is_file(follow_symlinks=False) and not each.name.startswith(".")]
            return {each.name: _content(each.path) for each in plain}

    def write(self, path: str, data: bytes) -> str:
        """See Location."""
        target = self.root / path
        with _sentence(f"the record can't be written to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, data)
        return str(target)

    def remove(self, path: str) -> None:
        """See Location."""
        import shutil

        target = self.root / path
        with _sentence(f"{target} can't be removed"):
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def ready(self, folder: str) -> None:
        """See Location."""
        path = self.root / folder
        with _sentence(f"no record can be written to {path}"):
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _content(path: str) -> Content:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return _reason(error)


class Remote:
    """A URL opened by fsspec.

    Object stores write atomically, so a single write is enough and needs no permission to delete. Elsewhere a file is
    written under a temporary name that readers ignore, then moved by the filesystem's ``mv``, which is atomic where the
    driver renames (SFTP, SMB, HDFS, WebHDFS, FTP).
    """

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self.url = url
        self.fs = filesystem
        self.root = root.rstrip("/")
        self.whole = not _WHOLE.isdisjoint(_protocols(filesystem))

    def records(self) -> Iterator[RecordFile]:
        """See Location. All files are fetched in one call, which drivers of object stores run concurrently."""
        with _sentence(f"the store {self.url} can't be read"):
            paths = [path for path in self._below(self.root) if _in_records(path) and is_document(_name(path))]
            contents = self.fs.cat_ranges(paths, None, None, on_error="return")  # cat would read [ ] as a pattern
        for path, data in zip(paths, contents, strict=True):
            yield RecordFile(self._url(_parent(_parent(path))), _name(path), self._url(path), _fetched(data))

    def files(self, folder: str) -> dict[str, Content]:
        """See Location."""
        with _sentence(f"{self.url} can't be read"):
            whole = f"{self.root}/{folder}"
            paths = [path for path in self._below(whole) if not _name(path).startswith(".")]
            plain = [
                path for path in paths if _parent(path).lstrip("/") == whole.lstrip("/")
            ]  # archives have no root /
            contents = self.fs.cat_ranges(plain, None, None, on_error="return")
            return {_name(path): _fetched(data) for path, data in zip(plain, contents, strict=True)}

    def write(self, path: str, data: bytes) -> str:
        """See Location. Files of one name have one content, so concurrent writers do no harm."""
        target = f"{self.root}/{path}"
        with _sentence(f"the record can't be written to {self._url(target)}"):
            if self.whole:
                self.fs.pipe_file(target, data)
                return self._url(target)
            folder, _, name = target.rpartition("/")
            temporary = f"{folder}/.{name}.{secrets.token_hex(4)}"
            self.fs.makedirs(folder, exist_ok=True)
            try:
                self.fs.pipe_file(temporary, data)
                self.fs.mv(temporary, target)
            except Exception:
                with contextlib.suppress(Exception):
                    self.fs.rm_file(temporary)
                if not self.fs.exists(target):
                    raise
        return self._url(target)

    def remove(self, path: str) -> None:
        """See Location."""
        target = f"{self.root}/{path}"
        with _sentence(f"{self._url(target)} can't be removed"):
            if self.fs.exists(target):
                self.fs.rm(target, recursive=True)

    def ready(self, folder: str) -> None:
        """See Location. Tries to write an empty file, which readers ignore."""
        path = f"{self.root}/{folder}"
        with _sentence(f"no record can be written to {self.url}"):
            if not self.whole:
                self.fs.makedirs(path, exist_ok=True)
            self.fs.pipe_file(f"{path}/.writable", b"")
        with contextlib.suppress(Exception):  # adding may be allowed without deleting
            self.fs.rm_file(f"{path}/.writable")

    def _below(self, path: str) -> list[str]:
        """All files below a folder, listed without fsspec's cache, as other processes may write."""
        self.fs.invalidate_cache()
        return sorted(self.fs.find(path))

    def _url(self, path: str) -> str:
        """The URL of a path below the root, or of the parent of a root named ``records``.

        In a chain such as ``simplecache::zip://runs::s3://bucket/all.zip``, the path inside the archive is extended.
        """
        links = self.url.split("::")
        at = next((i for i, link in enumerate(links) if link.removesuffix("://") not in _CACHES), 0)
        protocol, _, base = links[at].partition("://")
        base = base.rstrip("/") or base
        if len(path) < len(self.root):
            base = base.removesuffix("records")
            base = base.rstrip("/") or base
        within = path[len(self.root) :].lstrip("/")
        links[at] = f"{protocol}://{base}{'/' if within and base and not base.endswith('/') else ''}{within}"
        return "::".join(links)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _fetched(data: bytes | Exception) -> Content:
    return _reason(data) if isinstance(data, Exception) else data


def _in_records(path: str) -> bool:
    return _name(_parent(path)) == "records"
