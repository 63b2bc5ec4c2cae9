"""Export a run to one zip file (run.json, status.json, newest checkpoint, sample grid, adapter) and import it again."""

from __future__ import annotations

import errno
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from genkit.errors import DataError, GenkitError, MissingError
from genkit.files.reading import BROKEN_ZIP, Zip, reason
from genkit.files.temporaries import temporary_folder
from genkit.files.writing import replacing
from genkit.training.runs import ADAPTER, Run, checkpoint_meta, open_run, with_newest

_CHECKPOINT = "checkpoint.safetensors"
_MEMBERS = ("run.json", "status.json", "samples.png", *ADAPTER)
_BLOCK = 1 << 20
_RATIO = 10
_SPARE = 16 << 20
"""How far an export may unpack: it is stored without compression, and weights hardly compress."""

_SAFE = re.compile(r"\w[\w.:-]*")


def export_run(run: Run, target: Path) -> Path:
    """Write a run's newest checkpoint and configuration to one zip file, atomically."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            with_newest(run, lambda newest: _pack(run, newest, temporary))
    except OSError as error:
        raise GenkitError(f"{target} can't be written: {error.strerror or error}") from error
    return target


def _pack(run: Run, newest: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = newest.name.encode()
        for name in _MEMBERS:
            if (run.path / name).is_file():
                archive.write(run.path / name, name)
        archive.write(newest, _CHECKPOINT)


def import_run(source: Path, root: Path) -> Run:
    """Make a run folder from an exported file; nothing in it is executed or written outside ``root``.

    Raises MissingError without the file and DataError for one that is incomplete or no export.
    """
    if not source.is_file():
        raise MissingError(f"there is no file {source}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with temporary_folder(root / "import") as folder:
            try:
                parent = root.joinpath(*_unpack(source, folder))
            except DataError as error:
                raise DataError(str(error).replace(str(folder), str(source))) from error
            parent.mkdir(parents=True, exist_ok=True)
            path = _numbered(folder, parent)
    except OSError as error:
        raise GenkitError(f"{source} can't be imported into {root}: {error.strerror or error}") from error
    return open_run(path)


def _numbered(folder: Path, parent: Path) -> Path:
    """Rename a folder to the first free number in ``parent``, for which others may look at the same time."""
    for number in range(1, 1 << 16):
        path = parent / f"{number:04x}"
        if not path.exists():
            try:
                os.rename(folder, path)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            else:
                return path
    raise DataError(f"{parent} holds as many runs as it can: import it into another folder, with --runs")


def _unpack(source: Path, folder: Path) -> tuple[str, str]:
    """Make a run of an export in ``folder``, all of which can be read; return the names of its data set and model."""
    step = _members(source, folder)
    os.rename(folder / _CHECKPOINT, folder / "checkpoints" / step)
    run = open_run(folder)
    checkpoint_meta(folder / "checkpoints" / step)
    run.status  # noqa: B018 - raises DataError if it can't be read
    parts = (run.config.dataset_slug, run.config.model)
    if not all(_SAFE.fullmatch(part) for part in parts):
        raise DataError(f"{source} has data set and model {parts}, which can't be folder names: export the run again")
    return parts


def _members(source: Path, folder: Path) -> str:
    """Write the known members of an export into ``folder`` and return the checkpoint's name."""
    try:
        archive = Zip(source)
    except BROKEN_ZIP as error:
        raise DataError(f"{source} is not a whole exported run: {reason(error)}") from error
    with archive:
        step = archive.comment.decode("ascii", "replace")
        if not re.fullmatch(r"step-\d{9}\.safetensors", step):
            raise DataError(f"{source} is not an exported run")
        (folder / "checkpoints").mkdir()
        most = _SPARE + _RATIO * source.stat().st_size
        for name in sorted({*_MEMBERS, _CHECKPOINT} & set(archive.namelist())):
            (folder / name).parent.mkdir(exist_ok=True)
            with (folder / name).open("wb") as out:
                for block in _blocks(archive, name):
                    most -= out.write(block)
                    if most < 0:
                        raise DataError(
                            f"{source} unpacks to more than {_RATIO} times its size, which no exported run does: "
                            "export it again with genkit runs export"
                        )
    for name in ("run.json", _CHECKPOINT):
        if not (folder / name).is_file():
            raise DataError(f"{source} is not a whole exported run: it has no {name}")
    return step


def _blocks(archive: Zip, name: str) -> Iterator[bytes]:
    """Yield a member's bytes; raises DataError for a damaged member, so that an OSError is about the disk."""
    try:
        with archive.stream(name) as member:
            while block := member.read(_BLOCK):
                yield block
    except BROKEN_ZIP as error:
        raise DataError(f"{archive.filename} is not a whole exported run: {name}: {reason(error)}") from error
