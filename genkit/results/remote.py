"""A URL of stores, opened by fsspec."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from genkit.results.location import Content, RecordFile, is_document, reason, sentence

_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "ocilake", "oss", "memory"}
"""Protocols of object stores: an object is visible only once it is complete."""

_CACHES = {"blockcache", "cached", "filecache", "simplecache"}
"""Caching protocols, which may precede a URL and have no path of their own."""

_AT_ONCE = 512
"""Records that are fetched in one call: enough to be fast, few enough for the memory."""


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
        self.whole = not _WHOLE.isdisjoint(protocols(filesystem))

    def records(self) -> Iterator[RecordFile]:
        """See Location. A folder that can't be listed is yielded as a file that can't be read.

        Files are fetched a few hundred in a call, which drivers of object stores run concurrently.
        """
        with sentence(f"the store {self.url} can't be read"):
            listed, unlisted = self._below(self.root)
        paths = [path for path in listed if _in_records(path) and is_document(_name(path))]
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            with sentence(f"the store {self.url} can't be read"):
                contents = self.fs.cat_ranges(some, None, None, on_error="return")  # cat would read [ ] as a pattern
            for path, data in zip(some, contents, strict=True):
                yield RecordFile(self._url(_parent(_parent(path))), _name(path), self._url(path), _fetched(data))
        for path, error in unlisted.items():
            yield RecordFile("", "", self._url(path), reason(error))

    def files(self, folder: str) -> dict[str, Content]:
        """See Location."""
        with sentence(f"{self.url} can't be read"):
            whole = f"{self.root}/{folder}"
            listed, unlisted = self._below(whole)
            for error in unlisted.values():
                raise error
            paths = [path for path in listed if not _name(path).startswith(".")]
            plain = [
                path for path in paths if _parent(path).lstrip("/") == whole.lstrip("/")
            ]  # archives have no root /
            contents = self.fs.cat_ranges(plain, None, None, on_error="return")
            return {_name(path): _fetched(data) for path, data in zip(plain, contents, strict=True)}

    def write(self, path: str, data: bytes) -> str:
        """See Location. Files of one name have one content, so concurrent writers do no harm."""
        target = f"{self.root}/{path}"
        with sentence(f"the record can't be written to {self._url(target)}"):
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

    def write_folder(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See Location: file by file; the record that makes them visible is written after them."""
        for name, data in files.items():
            self.write(f"{folder}/{name}", data)

    def record_names(self) -> list[str]:
        """See Location."""
        try:  # adding may be allowed without listing
            return [_name(path) for path in self._below(f"{self.root}/records")[0]]
        except Exception:
            return []

    def remove(self, path: str) -> None:
        """See Location."""
        target = f"{self.root}/{path}"
        with sentence(f"{self._url(target)} can't be removed"):
            if self.fs.exists(target):
                self.fs.rm(target, recursive=True)

    def ready(self, folder: str) -> None:
        """See Location. Tries to write an empty file, which readers ignore."""
        path = f"{self.root}/{folder}"
        with sentence(f"no record can be written to {self.url}"):
            if not self.whole:
                self.fs.makedirs(path, exist_ok=True)
            self.fs.pipe_file(f"{path}/.writable", b"")
        with contextlib.suppress(Exception):  # adding may be allowed without deleting
            self.fs.rm_file(f"{path}/.writable")

    def _below(self, path: str) -> tuple[list[str], dict[str, Exception]]:
        """All files below a folder, and the folders that can't be listed with the reasons, which ``find`` would omit.

        Listed without fsspec's cache, as other processes may write. Raises if the folder itself can't be listed; a
        folder that does not exist is empty.
        """
        self.fs.invalidate_cache()
        if _lists_trees(self.fs):
            return sorted(self.fs.find(path)), {}
        files, unlisted, todo = set(), {}, [path]
        while todo:
            folder = todo.pop()
            try:
                listing = self.fs.ls(folder, detail=True)
            except Exception as error:  # drivers share no base class of errors
                if isinstance(error, FileNotFoundError) and self._missing(folder):
                    continue
                if folder == path:
                    raise
                unlisted[folder] = error
                continue
            for each in listing:
                name = each["name"].rstrip("/")
                if name.strip("/") != folder.strip("/"):
                    todo.extend([name] if each["type"] == "directory" else [])
                    files.update([name] if each["type"] != "directory" else [])
        return sorted(files), unlisted

    def _missing(self, folder: str) -> bool:
        """Whether there is no such folder: some drivers also say so of one that is closed to the reader."""
        try:
            self.fs.info(folder)
        except FileNotFoundError:
            return True
        except Exception:
            return False
        return False

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


def _lists_trees(filesystem: Any) -> bool:
    """Whether a driver lists a whole tree by itself, as object stores do in few requests, and raises if it can't.

    fsspec's general ``find`` calls ``ls`` for each folder, and takes one that raises for empty.
    """
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
    from fsspec.asyn import AsyncFileSystem  # type: ignore[import-untyped]
    from fsspec.implementations.cached import CachingFileSystem  # type: ignore[import-untyped]
    from fsspec.implementations.dirfs import DirFileSystem  # type: ignore[import-untyped]

    while isinstance(filesystem, CachingFileSystem | DirFileSystem):  # these ask the one that they wrap
        filesystem = filesystem.fs
    if isinstance(filesystem, AsyncFileSystem):
        return type(filesystem)._find is not AsyncFileSystem._find
    return type(filesystem).find is not AbstractFileSystem.find


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _fetched(data: bytes | Exception) -> Content:
    return reason(data) if isinstance(data, Exception) else data


def _in_records(path: str) -> bool:
    return _name(_parent(path)) == "records"


def protocols(filesystem: Any) -> tuple[str, ...]:
    """The protocol names of a filesystem; drivers give one or several."""
    names = filesystem.protocol
    return (names,) if isinstance(names, str) else tuple(names)
