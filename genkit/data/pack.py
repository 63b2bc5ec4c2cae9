"""Packing: every image is decoded once, then read through a memory map.

    <cache>/data/index/<sha256 of the source's key>.json    the content's sha256 and what else is known of a source
    <cache>/data/index/<sha256 of the source's key>.names   the names of its images' files
    <cache>/data/<sha256 of the content>/                   pixels.npy  labels.npy  order.npy  captions.texts  meta.json
    <cache>/data/<sha256 of the content>-encoded/           encoded.bin  places.npy  and the same

``pixels.npy`` holds the training images, then the test images, so that both splits and the whole are views of one map.
``encoded.bin`` holds the files of the images in that order, which are decoded whenever they are read; of images in tar
files, which can be read where they are, only the places are kept.
A folder is built under a temporary name, synced and renamed, so it is never incomplete.

A source without splits is split by content: see genkit.data.division.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data.division import Division
from genkit.data.foreign import kind_of, verify
from genkit.data.listed import key_sha256
from genkit.data.pack_writer import PackWriter
from genkit.data.packed import Packed, open_packed
from genkit.data.source import Pack, Source, SourceItems
from genkit.data.texts import Texts, read_texts, text_file
from genkit.downloads import Progress
from genkit.errors import DataError
from genkit.files.folders import cache_dir
from genkit.files.integrity import Damaged, sealed, sha256_file, unchanged, unsealed
from genkit.files.locks import waiting
from genkit.files.reading import entire, read_file
from genkit.files.temporaries import OLD, sweep_once, temporary_folder
from genkit.files.text import logger
from genkit.files.writing import replacing, write_atomic

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
    names: Sequence[str] = ()
    undecided: str = ""
    departures: tuple[str, ...] = ()
    generated: int = 0
    generated_by: str = ""


def pack_source(
    source: Source,
    progress: Progress | None = None,
    *,
    measured: bool = False,
    code: str = "",
    pack: Pack = "pixels",
) -> PackedSource:
    """Return the packed data of a source, from the cache if the source has not changed.

    ``measured``: it is not trained on. ``code`` is the key of a plugin's code, which may make other images of the data.
    ``pack``: whether the pixels are kept, or the encoded files; the images and their hash are the same.
    Raises DataError for bad data, for data on which a choice must be made before it
    is trained on, or for a cache folder that can't be written.
    """
    root = cache_dir().absolute() / "data"
    key = [VERSION, *kind_of(source), source.key(), *([code] if code else [])]
    entry = root / "index" / f"{key_sha256(key if pack == 'pixels' else [*key, {'pack': pack}])}.json"
    try:
        known = _known(entry, root, pack)
    except Damaged as error:
        known = None
        _LOG.warning("the packed copy of %s in the cache is damaged, and packed again: %s", source.name, error)
    with contextlib.ExitStack() as stack:
        if known is None:
            with contextlib.suppress(OSError):  # of a folder that can't be written, as is said below, or has no locks
                stack.enter_context(_alone(entry.with_suffix(".lock"), source.name))
            with contextlib.suppress(Damaged):
                known = _known(entry, root, pack)  # by another process meanwhile
        if known is not None:
            _refuse_undecided(known.undecided, measured)
            return known
        return _packed(source, entry, root, progress, measured=measured, pack=pack)


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """Wait until no other process packs a source; the lock's file is gone in the end."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with waiting(lock, f"packs {name}"):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


def _packed(
    source: Source, entry: Path, root: Path, progress: Progress | None, *, measured: bool, pack: Pack
) -> PackedSource:
    """Read a source and pack it."""
    try:
        contents = source.read()
        _refuse_undecided(contents.undecided, measured)
        try:
            root.mkdir(parents=True, exist_ok=True)
            entry.parent.mkdir(exist_ok=True)
            sweep_once(root, OLD)
            _refuse_number(contents, source.name, root, pack)
            with temporary_folder(root / "pack") as folder:
                facts, names = _write(contents, folder, progress, source.name, pack)
                _install(folder / "pack", _folder(root, facts["sha256"], pack), facts["sha256"])
            facts |= _write_names(entry, names)
            write_atomic(entry, sealed(facts))
        except OSError as error:
            raise DataError(
                f"{source.name} can't be packed into the cache folder {root}: {error.strerror or error}; "
                "make room there or set GENKIT_CACHE to a folder that can be written"
            ) from error
    finally:
        source.close()
    packed = _known(entry, root, pack)
    if packed is None:
        raise DataError(f"{_folder(root, facts['sha256'], pack)} changed while it was opened: try again")
    return packed


def _folder(root: Path, sha256: str, pack: Pack) -> Path:
    return root / (sha256 if pack == "pixels" else f"{sha256}-{pack}")


def _refuse_number(contents: SourceItems, name: str, folder: Path, pack: Pack) -> None:
    """Raise DataError for a count that is no number of images, or for more of them than there is room for.

    What a source gives is compared with its count, so a source without an end ends there.
    """
    count = contents.count
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 0:
        raise DataError(f"{name} says that it has {count!r} images: its count must be a whole number")
    needed, free = int(count) * math.prod(contents.shape), shutil.disk_usage(folder).free
    if needed > free and pack == "pixels":
        raise DataError(
            f"{name} says that it has {count:,} images, which take {needed / 1e9:,.1f} GB, and {folder} has "
            f"{free / 1e9:,.1f} GB free: correct its count, keep the images encoded by --pack encoded, make room there "
            "or set GENKIT_CACHE"
        )


def _refuse_undecided(undecided: str, measured: bool) -> None:
    if undecided and not measured:
        raise DataError(undecided)


def _known(entry: Path, root: Path, pack: Pack) -> PackedSource | None:
    try:
        found = unsealed(read_file(entry, entire()), entry)
        packed = open_packed(_folder(root, found["sha256"], pack), found["sha256"])
        left_out, notes = (tuple(map(str, found.get(name, ()))) for name in ("left_out", "notes"))
        if packed is None:
            return None
        names: Sequence[str] = tuple(map(str, found.get("names", ())))
        if "names_sha256" in found:
            if not unchanged(_names_file(entry), found["names_sha256"]):
                raise Damaged(f"{_names_file(entry)} is not what was written")
            names = read_texts(_names_file(entry))
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


def _names_file(entry: Path) -> Path:
    return entry.with_suffix(".names")


def _write_names(entry: Path, names: tuple[Texts, ...]) -> dict[str, str]:
    """Write the names of images beside an index entry, and return what that says of them; nothing if they have none."""
    if not names:
        return {}
    with replacing(_names_file(entry)) as path, path.open("wb") as file:
        file.writelines(text_file(*names))
    return {"names_sha256": sha256_file(_names_file(entry))}


def _write(
    contents: SourceItems, folder: Path, progress: Progress | None, name: str, pack: Pack
) -> tuple[dict[str, Any], tuple[Texts, ...]]:
    """Write all images into ``folder/pack``; return the facts of the index entry, and the images' names."""
    encoded = pack == "encoded"
    writer = PackWriter(folder / "pack", contents, name, encoded=encoded)
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
            again = PackWriter(folder / "again", contents, name, encoded=encoded)
            _copy_divided(writer, again, changed)
            writer = again
        sha256 = writer.finish()
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
        }, writer.names()
    finally:
        if isinstance(contents.items, Generator):
            contents.items.close()  # and so the processes that decode, if it is left before its end
        writer.close()


def _copy_divided(first: PackWriter, second: PackWriter, test: list[bool]) -> None:
    """Write a pack's images into another one under another division; ``test`` is in the source's order."""
    try:
        for place, item in first.items():
            second.append(item, test=test[place], place=place)
    except BaseException:
        second.close()
        raise
    finally:
        first.close()


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
