"""Locations of stores: a local folder, or any URL that fsspec can open."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from genkit.errors import GenkitError, MissingError, UnknownName, UsageError
from genkit.files.reading import read_file
from genkit.files.writing import publishing, write_atomic
from genkit.results.location import FOLDER, FULL, Content, Location, RecordFile, is_document, reason, sentence
from genkit.results.remote import Remote, protocols

_URL = re.compile(r"[a-z][a-z0-9+.-]*(://|::)")
_NO_LONGER_URL = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]")


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
        with sentence(f"the store {url} can't be reached"):
            filesystem, root = url_to_fs(url)
    except GenkitError as error:
        if isinstance(error.__cause__, ImportError):
            raise MissingError(str(error)) from error.__cause__
        raise
    return Folder(Path(root)) if "file" in protocols(filesystem) else Remote(url, filesystem, root)


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
                yield RecordFile("", "", str(missed.filename), reason(missed))

    def files(self, folder: str) -> dict[str, Content]:
        """See Location. Symbolic links are skipped, as they may point anywhere."""
        path = self.root / folder
        with sentence(f"{path} can't be read"):
            try:
                found = sorted(os.scandir(path), key=lambda entry: entry.name)
            except FileNotFoundError:
                return {}
            plain = [each for each in found if each.is_file(follow_symlinks=False) and not each.name.startswith(".")]
        contents, left = dict[str, Content](), FOLDER
        for each in plain:
            contents[each.name] = _content(each.path) if left > 0 else FULL
            left -= len(contents[each.name])
        return contents

    def write(self, path: str, data: bytes) -> str:
        """See Location."""
        target = self.root / path
        with sentence(f"the record can't be written to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, data)
        return str(target)

    def write_folder(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See Location."""
        target = self.root / folder
        with sentence(f"the exhibits can't be written to {target}"):
            if target.is_dir():
                for name, data in files.items():
                    write_atomic(target / name, data)
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with publishing(target) as new:
                    for name, data in files.items():
                        write_atomic(new / name, data)
            except OSError:
                if not target.is_dir():  # else another process was first: the folder's name is its content's
                    raise

    def record_names(self) -> list[str]:
        """See Location."""
        folders = [self.root / "records"]
        if (self.root / "run.json").is_file():
            folders += [each for root in self.root.absolute().parents[2:3] for each in root.glob("*/*/*/records")]
        names = []
        for folder in folders:
            with contextlib.suppress(OSError):
                names += os.listdir(folder)
        return names

    def remove(self, path: str) -> None:
        """See Location."""
        import shutil

        target = self.root / path
        with sentence(f"{target} can't be removed"):
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def ready(self, folder: str) -> None:
        """See Location."""
        path = self.root / folder
        with sentence(f"no record can be written to {path}"):
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _content(path: str) -> Content:
    try:
        return read_file(path)
    except OSError as error:
        return reason(error)
