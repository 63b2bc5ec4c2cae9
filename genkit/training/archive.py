"""Export a run to one zip file (run.json, status.json, newest checkpoint, sample grid) and import it again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from genkit.data.source import BROKEN_ZIP
from genkit.errors import DataError, GenkitError, MissingError
from genkit.training import checkpoint
from genkit.training.runs import Run, open_run

_MEMBERS = ("run.json", "status.json", "samples.png", "checkpoint.safetensors")
_BLOCK = 1 << 20
_SAFE = re.compile(r"\w[\w.:-]*")


def export_run(run: Run, target: Path) -> Path:
    """Write a run's newest checkpoint and configuration to one zip file, atomically."""
    newest = run.newest_checkpoint()
    sources = dict(
        zip(_MEMBERS, (run.path / "run.json", run.path / "status.json", run.path / "samples.png", newest), strict=True)
    )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = newest.name.encode()
            for name, source in sources.items():
                if source.is_file():
                    archive.write(source, name)
        os.replace(temporary, target)
    except OSError as error:
        raise GenkitError(f"{target} can't be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def import_run(source: Path, root: Path) -> Run:
    """Make a run folder from an exported file; nothing in it is executed or written outside ``root``.

    Raises MissingError without the file and DataError for one that is incomplete or no export.
    """
    if not source.is_file():
        raise MissingError(f"there is no file {source}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".import-", dir=root))
    except OSError as error:
        raise GenkitError(f"{source} can't be imported into {root}: {error.strerror or error}") from error
    try:
        folder.chmod(0o755)
        step = _unpack(source, folder)
        os.rename(folder / "checkpoint.safetensors", folder / "checkpoints" / step)
        run = open_run(folder)
        checkpoint.load(folder / "checkpoints" / step, "\0")
        run.status  # noqa: B018 - raises DataError if it can't be read
        parts = (run.config.dataset_slug, run.config.model)
        if not all(_SAFE.fullmatch(part) for part in parts):
            raise DataError(
                f"{source} has data set and model {parts}, which can't be folder names: export the run again"
            )
        parent = root.joinpath(*parts)
        parent.mkdir(parents=True, exist_ok=True)
        path = next(parent / f"{number:04x}" for number in range(1, 1 << 16) if not (parent / f"{number:04x}").exists())
        os.rename(folder, path)
    except OSError as error:
        raise GenkitError(f"{source} can't be imported into {root}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(str(error).replace(str(folder), str(source))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return open_run(path)


def _unpack(source: Path, folder: Path) -> str:
    """Write the known members of an export into ``folder`` and return the checkpoint's name."""
    try:
        archive = zipfile.ZipFile(source)
    except BROKEN_ZIP as error:
        raise DataError(f"{source} is not a whole exported run: {error}") from error
    with archive:
        step = archive.comment.decode("ascii", "replace")
        if not re.fullmatch(r"step-\d{9}\.safetensors", step):
            raise DataError(f"{source} is not an exported run")
        (folder / "checkpoints").mkdir()
        for name in sorted(set(_MEMBERS) & set(archive.namelist())):
            with (folder / name).open("wb") as out:
                out.writelines(_blocks(archive, name))
    for name in ("run.json", "checkpoint.safetensors"):
        if not (folder / name).is_file():
            raise DataError(f"{source} is not a whole exported run: it has no {name}")
    return step


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a member's bytes; raises DataError for a damaged member, so that an OSError is about the disk."""
    try:
        with archive.open(name) as member:
            while block := member.read(_BLOCK):
                yield block
    except BROKEN_ZIP as error:
        raise DataError(f"{archive.filename} is not a whole exported run: {name}: {error}") from error
