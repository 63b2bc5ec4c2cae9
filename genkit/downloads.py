"""Downloads from mirrors, tried in order: resumed after an interruption, verified by sha256."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from genkit.errors import DataError, MissingError
from genkit.files.integrity import sha256_file, unchanged
from genkit.files.locks import waiting
from genkit.files.patience import LEAST, PATIENCE, Patience
from genkit.files.text import logger

_LOG = logger(__name__)

MOST = 16 << 30
"""Most bytes of a file whose size is not known."""

_BLOCK = 1 << 20
_SLOW = f"fewer than {LEAST:,} bytes came in {PATIENCE:g} seconds"
_NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, OSError, ValueError)

Progress = Callable[[int, int], None]
"""Called with the bytes so far and the bytes in all (0 if unknown)."""


class _WriteError(Exception):
    """Downloaded data can't be written to disk."""


class _BrokeOffError(Exception):
    """The transfer broke off in the middle of the file; the part received is kept."""


class _TooLargeError(Exception):
    """The mirror sends more than the file has."""


def download(
    urls: Sequence[str],
    sha256: str,
    target: Path,
    *,
    what: str,
    size: int = 0,
    remedy: str = "",
    progress: Progress | None = None,
) -> Path:
    """Return ``target``, downloaded from the first of ``urls`` that gives the bytes of this ``sha256``.

    A correct file that is already there is not downloaded again. An interrupted transfer resumes from ``target.part``,
    at another mirror if necessary. ``size`` is the file's, in bytes, 0 if it is not known: no mirror may send more, nor
    so slowly that nearly nothing comes (see genkit.files.patience). ``what`` names the file in messages ("the MNIST
    training images"); ``remedy`` says what to do without a network, by default to put the file at ``target``.
    While another process downloads it, this one waits, and says so.
    Raises MissingError when no mirror has it, DataError when ``target`` can't be written.
    """
    if target.is_file() and unchanged(target, sha256):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with waiting(target.with_name(f"{target.name}.lock"), f"downloads {what}"):
            if target.is_file() and unchanged(target, sha256):
                return target
            wrong = target.is_file()
            failures = _from_mirrors(urls, sha256, size or MOST, target, progress)
        if not failures:
            if wrong:
                _LOG.warning("%s at %s was damaged: downloaded again", what, target)
            return target
    except (OSError, _WriteError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{what} can't be saved as {target}: {reason}; make room there or set GENKIT_CACHE to another folder"
        ) from error
    present = "has other content than expected" if target.is_file() else "is not on this machine"
    raise MissingError(
        f"{what} {present} and can't be downloaded ({'; '.join(failures)}): "
        f"{remedy or f'put the file with sha256 {sha256} at {target}'}"
    )


def _from_mirrors(urls: Sequence[str], sha256: str, size: int, target: Path, progress: Progress | None) -> list[str]:
    """Download ``target``; return why each mirror failed, empty on success."""
    part = target.with_name(f"{target.name}.part")
    failures: list[str] = []
    for url in urls:
        failure = _from_mirror(url, sha256, size, part, progress)
        if not failure:
            os.replace(part, target)
            return []
        failures.append(f"{urllib.parse.urlsplit(url).netloc or url}: {failure}")
    return failures or ["no mirror is known"]


def _from_mirror(url: str, sha256: str, size: int, part: Path, progress: Progress | None) -> str:
    """Complete ``part`` from one mirror; return why it failed, or an empty string.

    Tries once more after a transfer that made progress before it broke off, and after a wrong hash of a resumed file,
    whose old beginning may be to blame.
    """
    failure = ""
    for _ in range(2):
        if _size(part) > size:
            part.unlink()
        before = _size(part)
        again = False
        try:
            with Patience() as patience:
                _fetch(url, part, size, progress, patience)
        except _BrokeOffError as error:
            failure, again = str(error), _size(part) > before and not patience.lost
        except _TooLargeError as error:
            failure = str(error)
            part.unlink(missing_ok=True)
        except _NETWORK_ERRORS as error:
            failure = _SLOW if patience.lost else str(getattr(error, "reason", "") or error) or type(error).__name__
        else:
            if sha256_file(part) == sha256:
                return ""
            part.unlink()
            failure, again = "its content has another sha256", before > 0
        if not again:
            break
    return failure


def _fetch(url: str, part: Path, size: int, progress: Progress | None, patience: Patience) -> None:
    """Append the rest of the file to ``part``, or start over if the mirror can't resume."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "genkit", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with patience.waiting():
            response = patience.open(request)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing is left to send; the hash will tell whether the file is right
            return
        raise
    with response:
        ranged = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", response.headers.get("Content-Range", ""))
        resumed = response.status == 206 and ranged is not None and int(ranged[1]) == have
        if response.status == 206 and not resumed:
            raise http.client.HTTPException("it sent another range than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        if total > size:
            raise _TooLargeError(f"it offers {total:,} bytes where the file has {size:,}")
        _copy(_blocks(response, have, size, patience), part, have, total, progress)


def _blocks(response: http.client.HTTPResponse, have: int, size: int, patience: Patience) -> Iterator[bytes]:
    """Yield what comes, from byte ``have`` of at most ``size`` on."""
    while True:
        try:
            with patience.waiting():
                block = response.read1(_BLOCK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _BrokeOffError(_SLOW if patience.lost else f"the transfer broke off after {have:,} bytes") from error
        if patience.lost:
            raise _BrokeOffError(_SLOW)
        if not block:
            return
        have += len(block)
        patience.came(len(block))
        if have > size:
            raise _TooLargeError(f"it sends more than the {size:,} bytes of the file")
        yield block


def _copy(blocks: Iterable[bytes], part: Path, have: int, total: int, progress: Progress | None) -> None:
    try:
        file = open(part, "ab" if have else "wb")  # noqa: SIM115 - an error of opening is the disk's, not the network's
    except OSError as error:
        raise _WriteError(error.strerror) from error
    with file:
        for block in blocks:
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise _WriteError(error.strerror) from error
            have += len(block)
            if progress is not None:
                progress(have, total)
        os.fsync(file.fileno())
    if total and have < total:
        raise _BrokeOffError(f"the transfer broke off after {have:,} of {total:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
