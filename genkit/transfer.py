"""Runs as single files: export to a zip of run.json, status.json, the newest checkpoint and its sample grid; import."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

from genkit import checkpoint
from genkit.errors import DataError, GenkitError, MissingError
from genkit.runs import Run, open_run

_MEMBERS = ("run.json", "status.json", "samples.png", "checkpoint.safetensors")
_SAFE = re.compile(r"\w[\w.:-]*")


def export_run(run: Run, target: Path) -> Path:
    """Write a run's newest checkpoint and how it was made to one zip file, atomically."""
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
    """Make a run folder of an exported file; nothing in it is executed and nothing lands outside ``root``.

    Raises MissingError without the file and DataError for one that is not a whole export.
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
            raise DataError(f"{source} names its data set or model {parts}, which is no folder's name")
        parent = root.joinpath(*parts)
        parent.mkdir(parents=True, exist_ok=True)
        path = next(parent / f"{number:04x}" for number in range(1, 1 << 16) if not (parent / f"{number:04x}").exists())
        os.rename(folder, path)
    except OSError as error:
        raise GenkitError(f"{source} can't be imported into {root}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return open_run(path)


def _unpack(source: Path, folder: Path) -> str:
    """Write the known members of an export into ``folder`` and return the checkpoint's name."""
    try:
        with zipfile.ZipFile(source) as archive:
            step = archive.comment.decode("ascii", "replace")
            if not re.fullmatch(r"step-\d{9}\.safetensors", step):
                raise DataError(f"{source} is not an exported run")
            (folder / "checkpoints").mkdir()
            for name in _MEMBERS:
                if name in archive.namelist():
                    with archive.open(name) as member, (folder / name).open("wb") as out:
                        shutil.copyfileobj(member, out)
        json.loads((folder / "run.json").read_text())
        if not (folder / "checkpoint.safetensors").is_file():
            raise DataError(f"{source} holds no checkpoint")
    except (zipfile.BadZipFile, zlib.error, FileNotFoundError, ValueError, EOFError, RuntimeError) as error:
        raise DataError(f"{source} is not a whole exported run: {error}") from error
    return step
