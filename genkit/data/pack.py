"""Packing: every image is decoded once, then read through a memory map.

    <cache>/data/index/<sha256 of the source's key>.json    the content's sha256 and what else is known of a source
    <cache>/data/<sha256 of the content>/                   pixels.npy  labels.npy  order.npy  captions.json  meta.json

``pixels.npy`` holds the training images, then the test images, so that both splits and the whole are views of one map.
A folder is built under a temporary name, synced and renamed, so it is never incomplete.

A source without splits is split by content: see genkit.data.division.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data.division import Division
from genkit.data.foreign import kind_of, verify
from genkit.data.packed import Packed, PackWriter, open_packed
from genkit.data.source import Source, SourceItems
from genkit.downloads import Progress
from genkit.errors import DataError
from genkit.files.folders import cache_dir
from genkit.files.integrity import Damaged, sealed, unsealed
from genkit.files.reading import entire, read_file
from genkit.files.temporaries import OLD, sweep_once, temporary_folder
from genkit.files.text import logger
from genkit.files.writing import write_atomic

_LOG = logger(__name__)

VERSION = 4
"""Version of the rules for reading sources; a new version reads every source again."""


@dataclass(frozen=True)
class PackedSource:
    """A packed data set, and what is known of its source besides the content.

    ``skipped`` bad images, which ``left_out`` names with the reason; whether the splits are the source's
    own; ``notes`` on how it was read; ``names`` of the images' files, training images first, empty if they have none;
    ``undecided``, ``departures``, ``generated`` and ``generated_by`` as in SourceItems.
    """

    packed: Packed
    skipped: int
    own_splits: bool
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    undecided: str = ""
    departures: tuple[str, ...] = ()
    generated: int = 0
    generated_by: str = ""


def pack_source(
    source: Source, progress: Progress | None = None, *, measured: bool = False, code: str = ""
) -> PackedSource:
    """Return the packed data of a source, from the cache if the source has not changed.

    ``measured``: it is not trained on. ``code`` is the key of a plugin's code, which may make other images of the data.
    Raises DataError for bad data, for data on which a choice must be made before it
    is trained on, or for a cache folder that can't be written.
    """
    root = cache_dir().absolute() / "data"
    key = [VERSION, *kind_of(source), source.key(), *([code] if code else [])]
    entry = root / "index" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.json"
    try:
        known = _known(entry, root)
    except Damaged as error:
        known = None
        _LOG.warning("the packed copy of %s in the cache is damaged, and packed again: %s", source.name, error)
    if known is not None:
        _refuse_undecided(known.undecided, measured)
        return known
    try:
        contents = source.read()
        _refuse_undecided(contents.undecided, measured)
        try:
            root.mkdir(parents=True, exist_ok=True)
            entry.parent.mkdir(exist_ok=True)
            sweep_once(root, OLD)
            _refuse_number(contents, source.name, root)
            with temporary_folder(root / "pack") as folder:
                facts = _write(contents, folder, progress, source.name)
                _install(folder / "pack", root / facts["sha256"], facts["sha256"])
            write_atomic(entry, sealed(facts))
        except OSError as error:
            raise DataError(
                f"{source.name} can't be packed into the cache folder {root}: {error.strerror or error}; "
                "make room there or set GENKIT_CACHE to a folder that can be written"
            ) from error
    finally:
        source.close()
    packed = _known(entry, root)
    if packed is None:
        raise DataError(f"{root / facts['sha256']} changed while it was opened: try again")
    return packed


def _refuse_number(contents: SourceItems, name: str, folder: Path) -> None:
    """Raise DataError for a count that is no number of images, or for more of them than there is room for.

    What a source gives is compared with its count, so a source without an end ends there.
    """
    count = contents.count
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 0:
        raise DataError(f"{name} says that it has {count!r} images: its count must be a whole number")
    needed, free = int(count) * math.prod(contents.shape), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{name} says that it has {count:,} images, which take {needed / 1e9:,.1f} GB, and {folder} has "
            f"{free / 1e9:,.1f} GB free: correct its count, make room there or set GENKIT_CACHE"
        )


def _refuse_undecided(undecided: str, measured: bool) -> None:
    if undecided and not measured:
        raise DataError(undecided)


def _known(entry: Path, root: Path) -> PackedSource | None:
    try:
        found = unsealed(read_file(entry, entire()), entry)
        packed = open_packed(root / found["sha256"], found["sha256"])
        left_out, notes, names = (tuple(map(str, found.get(name, ()))) for name in ("left_out", "notes", "names"))
        if packed is None:
            return None
        return PackedSource(
            packed,
            int(found["skipped"]),
            bool(found["own_splits"]),
            left_out,
            notes,
            names,
            str(found.get("undecided", "")),
            tuple(map(str, found["departures"])),
            int(found["generated"]),
            str(found["generated_by"]),  # entries of before that lack these are not known: sources are read once more
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(contents: SourceItems, folder: Path, progress: Progress | None, name: str) -> dict[str, Any]:
    """Write all images into ``folder/pack``; return the facts of the index entry."""
    writer = PackWriter(folder / "pack", contents.shape)
    skipped, own_splits = 0, False
    division = Division()
    try:
        done, item = 0, None
        for item in contents.items:
            done += 1  # counted here, as enumerate holds an item, which may be large, while the next is decoded
            if done > contents.count:
                raise DataError(
                    f"{name} gives more than the {contents.count:,} images that it says it has: correct its count"
                )
            if item is None:
                skipped += 1
            else:
                verify(item, contents, name)
                own_splits |= item.split is not None
                by_content = division.add(item)
                writer.append(item, test=by_content if item.split is None else item.split == "test")
            if progress is not None:
                progress(done, contents.count)
            item = None  # which may be large, while the next is decoded
        if done < contents.count:
            raise DataError(f"{name} gives {done:,} images and says that it has {contents.count:,}: correct its count")
        if not any(writer.counts):
            raise DataError(f"{name} has no usable image ({skipped} bad): give it some that can be read")
        if own_splits and not all(writer.counts):
            raise DataError(f"{name} has no usable image in {'test' if writer.counts[0] else 'train'}: add some")
        changed = None if own_splits else division.mended()
        if changed is not None:
            writer = _divided(writer, contents, folder / "again", changed)
        sha256, names = writer.finish(contents), writer.names()
        if changed is not None:
            shutil.rmtree(folder / "pack")
            writer.folder.rename(folder / "pack")
        return {
            "sha256": sha256,
            "skipped": skipped + contents.skipped,
            "own_splits": own_splits,
            "left_out": contents.left_out,
            "notes": contents.notes,
            "undecided": contents.undecided,
            "departures": contents.departures,
            "generated": contents.generated,
            "generated_by": contents.generated_by,
            "names": names if any(names) else [],
        }
    finally:
        writer.close()


def _divided(first: PackWriter, contents: SourceItems, folder: Path, test: list[bool]) -> PackWriter:
    """Return a pack's images in ``folder`` under another division; ``test`` is in the source's order."""
    second = PackWriter(folder, contents.shape)
    try:
        for place, item in first.items():
            second.append(item, test=test[place], place=place)
    except BaseException:
        second.close()
        raise
    finally:
        first.close()
    return second


def _install(built: Path, final: Path, sha256: str) -> None:
    """Rename a finished pack to its final name unless another process was first; a damaged one is replaced."""
    if _sound(final, sha256):
        return
    if final.exists():
        with contextlib.suppress(OSError):
            final.rename(built.parent / "damaged")
    try:
        final.parent.mkdir(exist_ok=True)
        built.rename(final)
    except OSError:
        if not _sound(final, sha256):
            raise


def _sound(folder: Path, sha256: str) -> bool:
    try:
        return open_packed(folder, sha256) is not None
    except Damaged:
        return False
