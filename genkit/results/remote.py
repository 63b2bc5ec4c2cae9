"""A URL of stores, opened by fsspec."""

from __future__ import annotations

import contextlib
import datetime
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from genkit.files.reading import DOCUMENT
from genkit.files.temporaries import ABANDONED
from genkit.files.unpacking import member
from genkit.results.location import FOLDER, FULL, Content, RecordFile, is_document, reason, sentence

_TOO_LARGE = f"it has more than {DOCUMENT:,} bytes"

_swept: set[tuple[str, str]] = set()

_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "ocilake", "oss", "memory"}
"""Protocols of object stores: an object is visible only once it is complete."""

_CACHES = {"blockcache", "cached", "filecache", "simplecache"}
"""Caching protocols, which may precede a URL and have no path of their own."""

_AT_ONCE = 512
_BYTES = 64 << 20
"""Files and bytes that are fetched in one call: enough to be fast, few enough for the memory."""

_LEFT = re.compile(r"\..+\.[0-9a-f]{8}")
"""The temporary of a writer, which stays where it was killed."""

_TIMES = ("mtime", "modified", "last_modified", "LastModified", "created")
"""Where drivers say when a file was changed."""


class Remote:
    """A URL opened by fsspec.

    Object stores write atomically, so a single write is enough and needs no permission to delete. Elsewhere a file is
    written under a temporary name that readers ignore, then moved by the filesystem's ``mv``, which is atomic where the
    driver renames (SFTP, SMB, HDFS, WebHDFS, FTP).
    """

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self.url = url
        self.fs = _without_cache_of_a_zip(filesystem)
        self.root = root.rstrip("/")
        self.whole = not _WHOLE.isdisjoint(protocols(filesystem))

    def records(self) -> Iterator[RecordFile]:
        """See Location. A folder that can't be listed is yielded as a file that can't be read.

        Files are fetched a few hundred in a call, which drivers of object stores run concurrently. Of none more is read
        than a document may have.
        """
        with sentence(f"the store {self.url} can't be read"):
            listed, unlisted = self._below(self.root)
        documents = {path: size for path, size in listed.items() if _in_records(path) and is_document(_name(path))}
        for path, content in self._contents(documents):
            yield RecordFile(self._url(_parent(_parent(path))), _name(path), self._url(path), content)
        for path, error in unlisted.items():
            yield RecordFile("", "", self._url(path), reason(error))

    def files(self, folder: str) -> dict[str, Content]:
        """See Location."""
        with sentence(f"{self.url} can't be read"):
            whole = f"{self.root}/{folder}"
            listed, unlisted = self._below(whole)
            for error in unlisted.values():
                raise error
        plain, full, left = dict[str, int](), dict[str, Content](), FOLDER
        for path, size in listed.items():
            if _name(path).startswith(".") or _parent(path).lstrip("/") != whole.lstrip("/"):  # archives have no root /
                continue
            if left > 0:
                plain[path] = size
                left -= size
            else:
                full[_name(path)] = FULL
        return {**{_name(path): content for path, content in self._contents(plain)}, **full}

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
            self._sweep(folder)
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

    def _contents(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, Content]]:
        """Yield files of these listed sizes: the content, or as text why it can't be read."""
        some, size = list[str](), 0
        for path, listed in sizes.items():
            if listed > DOCUMENT:
                yield path, _TOO_LARGE
            elif listed == 0:  # of which drivers can't fetch a range
                yield path, b""
            else:
                if some and (len(some) == _AT_ONCE or size + listed > _BYTES):
                    yield from self._fetched(some)
                    some, size = [], 0
                some.append(path)
                size += listed
        if some:
            yield from self._fetched(some)

    def _fetched(self, paths: list[str]) -> Iterator[tuple[str, Content]]:
        with sentence(f"the store {self.url} can't be read"):
            if "zip" in protocols(self.fs):
                contents = [_unpacked(self.fs, path) for path in paths]
            else:  # cat would read [ ] as a pattern
                contents = self.fs.cat_ranges(paths, 0, DOCUMENT + 1, on_error="return")
        for path, data in zip(paths, contents, strict=True):
            if isinstance(data, Exception):
                yield path, reason(data)
            else:
                yield path, data if len(data) <= DOCUMENT else _TOO_LARGE

    def _sweep(self, folder: str) -> None:
        """Remove temporaries of a day ago or longer, as far as the driver says when that was, and may delete them."""
        if (self.url, folder) in _swept:
            return
        _swept.add((self.url, folder))
        with contextlib.suppress(Exception):
            for each in self.fs.ls(folder, detail=True):
                changed = next((each[name] for name in _TIMES if name in each), time.time())
                seconds = changed.timestamp() if isinstance(changed, datetime.datetime) else float(changed)
                if _LEFT.fullmatch(_name(each["name"])) and time.time() - seconds > ABANDONED:
                    self.fs.rm_file(each["name"])

    def _below(self, path: str) -> tuple[dict[str, int], dict[str, Exception]]:
        """All files below a folder with their sizes, and the folders that can't be listed, with the reasons.

        Listed without fsspec's cache, as other processes may write. Raises if the folder itself can't be listed; a
        folder that does not exist is empty. ``find`` would leave out what can't be listed.
        """
        self.fs.invalidate_cache()
        if _lists_trees(self.fs):
            found = self.fs.find(path, detail=True)
            return {name: _size(found[name]) for name in sorted(found)}, {}
        files, unlisted, todo = dict[str, int](), dict[str, Exception](), [path]
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
                    if each["type"] == "directory":
                        todo.append(name)
                    else:
                        files[name] = _size(each)
        return dict(sorted(files.items())), unlisted

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


def _without_cache_of_a_zip(filesystem: Any) -> Any:
    """Return the zip of a caching filesystem, which would unpack whole members to the disk; others as they are."""
    from fsspec.implementations.cached import CachingFileSystem  # type: ignore[import-untyped]

    if isinstance(filesystem, CachingFileSystem) and "zip" in protocols(filesystem.fs):
        return filesystem.fs
    return filesystem


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


def _size(listed: Mapping[str, Any]) -> int:
    """The size of a file as listed; where it is not, the largest that is read."""
    size = listed.get("size")
    return size if isinstance(size, int) else DOCUMENT


def _unpacked(filesystem: Any, path: str) -> bytes | Exception:
    """Return at most ``DOCUMENT + 1`` bytes of a zip's member, or the error."""
    try:
        with member(filesystem.zip, filesystem.zip.getinfo(path)) as file:
            return file.read(DOCUMENT + 1)
    except Exception as error:
        return error


def _in_records(path: str) -> bool:
    return _name(_parent(path)) == "records"


def protocols(filesystem: Any) -> tuple[str, ...]:
    """The protocol names of a filesystem; drivers give one or several."""
    names = filesystem.protocol
    return (names,) if isinstance(names, str) else tuple(names)
