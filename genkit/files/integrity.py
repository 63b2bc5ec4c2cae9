"""Whether what is kept still is what was written: the one place that hashes files and compares them with their hash.

A file's SHA-256 is published with it, in one rename:

=================================  =====================================================================================
a record                           in its name
an exhibit                         in ``sha256.json`` beside it, written before the record
a checkpoint, a cached Gaussian    in its safetensors header: of the file with zeros in the place of the hash
a JSON document, also run.json,    in its field ``own_sha256``: of all other fields
status.json, how a job ended
a packed data set                  in its ``meta.json``, whose own hash is the folder's name
features                           in their ``progress.json``
weights                            in genkit's list of weights, or in the metadata of an extractor trained here
=================================  =====================================================================================

Files of before that hold no hash are taken as they are.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from genkit.errors import DataError
from genkit.files.folders import cache_dir
from genkit.files.reading import DEPTH, open_file, parse_json

LARGE = 256 << 20
"""Bytes up to which a file is hashed whenever it is loaded; a larger one is hashed once in ``DAY``."""

DAY = 24 * 3600.0
"""Seconds for which a large file that was right is not hashed again, unless its size, times or inode change."""

OWN = "own_sha256"
"""The field of a document that holds the hash of the document, or of the safetensors file, that it is in."""

LISTING = "sha256.json"
"""The file with the hashes of the other files of its folder."""

_NAMED = re.compile(r"-([0-9a-f]{12})\.json$")
_ZEROS = "0" * 64
_BEFORE = rf'{{"__metadata__":{{"genkit":"{{\"{OWN}\": \"'.encode()
"""What a safetensors header holds before its hash."""

_PLACE = 8 + len(_BEFORE)

_LONGEST_HEADER = 100_000_000  # bytes, as in safetensors
_BLOCK = 1 << 20


class Damaged(DataError):
    """A kept file that is not what was written; the message names it."""


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open_file(path) as file:
        return str(_fed(hashlib.sha256(), file).hexdigest())


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and hashes of a folder's own files; hashed again if they change.

    Raises DataError for what can't be read.
    """
    try:
        files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        stamps = tuple((each, each.stat().st_size, each.stat().st_mtime_ns) for each in files)
        return _content_sha256(path.is_dir(), stamps)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


@functools.lru_cache(maxsize=16)
def _content_sha256(folder: bool, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    hashes = [sha256_file(path) for path, *_ in stamps]
    if not folder:
        return hashes[0]
    lines = [f"{path.name} {sha256}" for (path, *_), sha256 in zip(stamps, hashes, strict=True)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def sha256_parts(path: Path, sizes: Sequence[int]) -> list[str]:
    """Return the SHA-256 of consecutive parts of a file, of ``sizes`` bytes; what follows them is not read."""
    with open_file(path) as file:
        return [_fed(hashlib.sha256(), file, size).hexdigest() for size in sizes]


def hash_of_part(path: Path, size: int) -> Any:
    """Return a hashlib object that was given the first ``size`` bytes of a file, for more to be added."""
    with open_file(path) as file:
        return _fed(hashlib.sha256(), file, size)


def unchanged(path: Path, expected: str, hashed: Callable[[Path], str] = sha256_file) -> bool:
    """Whether a file has the hash that it was written with; ``hashed`` computes it. OSError passes through.

    A file over ``LARGE`` that had it within the last ``DAY`` is not hashed again.
    """
    status = path.stat()
    if status.st_size <= LARGE:
        return hashed(path) == expected
    # Bytes can't change unseen with their times put back: the time of the change of the inode is not for anyone to set.
    facts = [str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, expected]
    mark = cache_dir().absolute() / "checked" / hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    with contextlib.suppress(OSError):
        if 0 <= time.time() - mark.stat().st_mtime < DAY:
            return True
    if hashed(path) != expected:
        return False
    with contextlib.suppress(OSError):  # a cache that can't be written only costs time
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        for other in mark.parent.iterdir():
            if time.time() - other.stat().st_mtime >= DAY:
                other.unlink(missing_ok=True)
    return True


def check_named(name: str, data: bytes, path: Path | str) -> str:
    """Return the SHA-256 of a file's content; raises Damaged if its name ends with other digits than the first twelve.

    A name that does not end with twelve digits says nothing.
    """
    named, own = _NAMED.search(name), hashlib.sha256(data).hexdigest()
    if named and not own.startswith(named[1]):
        raise Damaged(
            f"{path}: its content does not match the hash in its name, so it was changed or damaged: "
            "restore it from a copy, or measure again"
        )
    return own


def check_listed(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of a folder that its list of hashes does not contradict, without the list, and the other names.

    Without a list, as of before, all are right.
    """
    rest = dict(files)
    listing = rest.pop(LISTING, None)
    if listing is None:
        return rest, []
    try:
        hashes = unsealed(listing, LISTING)
    except Damaged:
        return {}, [LISTING]
    right = {name: data for name, data in rest.items() if hashes.get(name) == hashlib.sha256(data).hexdigest()}
    return right, sorted((rest.keys() | hashes.keys()) - right.keys())


def listing_of(files: Mapping[str, bytes]) -> bytes:
    """Return the list of hashes of a folder's files, the content of its file ``sha256.json``."""
    return sealed({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


def sealed(document: Mapping[str, Any]) -> bytes:
    """Return a JSON document with its own hash in the field ``own_sha256``; raises ValueError if it is not finite."""
    plain = json.loads(json.dumps(document, allow_nan=False))
    return (json.dumps({**plain, OWN: _of_document(plain)}, indent=1) + "\n").encode()


def unsealed(data: bytes, path: Path | str) -> dict[str, Any]:
    """Return a document without its own hash, which is checked if it has one; raises Damaged, naming ``path``."""
    try:
        document = parse_json(data)
    except ValueError as error:
        raise Damaged(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise Damaged(f"{path} is not a JSON object")
    own = document.pop(OWN, None)
    if own is not None and own != _of_document(document):
        raise Damaged(f"{path} does not have the sha256 that it was written with")
    return document


def contradicted(data: bytes, depth: int = DEPTH) -> bool:
    """Whether a JSON document has a hash of its own that it does not fit; what is no such document has none."""
    try:
        document = parse_json(data, depth)
    except ValueError:
        return False
    own = document.pop(OWN, None) if isinstance(document, dict) else None
    return own is not None and own != _of_document(document)


def sealing_metadata(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a safetensors file that ``seal`` completes; raises ValueError if it is not finite."""
    return {"genkit": json.dumps({OWN: _ZEROS, **document}, allow_nan=False)}


def seal(file: BinaryIO) -> None:
    """Write the hash of a safetensors file with ``sealing_metadata`` into its header."""
    own = _own_hash(file)[2]
    file.seek(_PLACE)
    file.write(own.encode())


def sealed_bytes(data: bytes) -> bytes:
    """Return the bytes of a safetensors file with ``sealing_metadata`` with its hash in its header."""
    file = io.BytesIO(data)
    seal(file)
    return file.getvalue()


def check_sealed(source: Path | bytes) -> None:
    """Raise Damaged for a safetensors file, or the bytes of one, that has not the hash in its header.

    One without a hash, as of before, passes, and so does what is no such file: its reader refuses it.
    """
    if isinstance(source, bytes):
        has_one, recorded, own = _own_hash(io.BytesIO(source))
        right = not has_one or recorded == own
    else:
        with open_file(source) as file:
            has_one, recorded = _recorded(_header(file))
        right = not has_one or unchanged(source, recorded, _own_hash_of)
    if not right:
        raise Damaged("it does not have the sha256 that it was written with, so it is damaged: use another copy")


def _own_hash_of(path: Path) -> str:
    with open_file(path) as file:
        return _own_hash(file)[2]


def _own_hash(file: BinaryIO) -> tuple[bool, str, str]:
    """Return whether a safetensors file has a hash in its header, that hash, and what it should be."""
    file.seek(0)
    header = _header(file)
    has_one, recorded = _recorded(header)
    if not has_one:
        return False, "", ""
    digest = hashlib.sha256(header[:_PLACE] + _ZEROS.encode() + header[_PLACE + len(_ZEROS) :])
    return True, recorded, _fed(digest, file).hexdigest()


def _header(file: BinaryIO) -> bytes:
    """Return the first bytes of a safetensors file: the length of its header, and the header."""
    size = file.read(8)
    length = int.from_bytes(size, "little")
    return size + (file.read(length) if length <= _LONGEST_HEADER else b"")


def _recorded(header: bytes) -> tuple[bool, str]:
    """Return whether a header has the hash of its file, and the hash; an empty one where damage hides it."""
    before = header[8:_PLACE]
    wrong = sum(one != other for one, other in zip(before, _BEFORE, strict=False))
    if len(before) < len(_BEFORE) or wrong > 3:  # those of before begin otherwise
        return False, ""
    return True, "" if wrong else header[_PLACE : _PLACE + len(_ZEROS)].decode("latin-1")


def _fed(digest: Any, file: BinaryIO, size: int | None = None) -> Any:
    """Return a hash object that was given the next ``size`` bytes of a file, by default all that are left."""
    while size is None or size > 0:
        block = file.read(_BLOCK if size is None else min(size, _BLOCK))
        if not block:
            break
        digest.update(block)
        size = None if size is None else size - len(block)
    return digest


def _of_document(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
