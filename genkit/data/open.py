"""Opening a data set by a reference such as ``folder:photos``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genkit.data.dataset import ImageDataset, Split
from genkit.data.fitted import Fitted
from genkit.data.foreign import Foreign, source_of
from genkit.data.grammar import ClassCaptions
from genkit.data.pack import pack_source
from genkit.data.source import MAX_PIXELS, Crop, DatasetRequest, Pack, Size, Source, unreadable
from genkit.data.summary import describe_data
from genkit.data.tree import TreeSource
from genkit.errors import DataError, GenkitError, MissingError, UnknownName, UsageError
from genkit.files import folders
from genkit.files.text import existing, logger

if TYPE_CHECKING:
    pass

_LOG = logger(__name__)

PATH = "PATH"
"""The argument of a DatasetSpec whose argument is a path."""

GLOB = "?glob="
"""What stands between a path and the pattern of the files that are read."""

_QUERY = re.compile(r"\?(size|crop|grey|labels|range|array|skip_bad|data_root|max_pixels|pack)(=|$)")

_PICTURES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"])

FILES = {
    ".zip": "zip",
    ".npz": "npz",
    ".npy": "npy",
    ".tar": "webdataset",
    ".parquet": "parquet",
    ".mdb": "lmdb",
    ".lmdb": "lmdb",
}
"""The data set that reads a bare path of a file, by its suffix."""


@dataclass(frozen=True)
class OpenOptions:
    """The arguments of open_dataset besides the reference, as JSON values; run.json records them."""

    data_root: str | None = None
    size: Size | None = None
    crop: Crop = "center"
    skip_bad: bool = False
    grey: bool = False
    labels: str = ""
    glob: str = ""
    values: tuple[float, float] | None = None
    array: str = ""
    max_pixels: int = MAX_PIXELS
    exclude_generated: bool = False
    pack: Pack = "pixels"


def open_dataset(
    reference: Path | str,
    *,
    data_root: Path | str | None = None,
    size: Size | None = None,
    crop: Crop = "center",
    skip_bad: bool = False,
    grey: bool = False,
    labels: Path | str = "",
    glob: str = "",
    values: tuple[float, float] | None = None,
    array: str = "",
    max_pixels: int = MAX_PIXELS,
    exclude_generated: bool = False,
    pack: Pack = "pixels",
    progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Open a data set: ``digits``, ``mnist``, ``folder:PATH``, ``zip:PATH``, ``npz:PATH`` or one of a plugin's.

    ``folder:PATH?glob=*_fake_B.png`` reads only the files that match, as ``glob`` does.

    The first time it is packed into the cache; after that the files are not read again unless they change. A bare PATH
    of a folder, .zip or .npz works too, unless a data set has that name; the data set's name has the absolute path.
    ``data_root`` is the folder of downloaded data (default ``GENKIT_DATA``). ``size`` resizes images to
    size x size: their centred square, or the whole image with ``crop="none"``; ``grey`` turns colour grey.
    ``skip_bad`` leaves bad files out and counts them in ``skipped``. ``progress`` is called with images done and images
    in all. ``pack="encoded"`` keeps the images as they are in their files, in place of their pixels, and decodes them
    whenever they are read: the data set and its hash are the same. The other arguments are those of DatasetRequest.
    Raises UsageError for an invalid reference, size or grey, MissingError for missing data, DataError for data that
    can't be used or that has fewer than two different images, one to train on and one to test.
    """
    root = None if data_root is None else Path(data_root)
    request = DatasetRequest(
        "",
        root,
        size,
        crop,
        skip_bad,
        grey,
        str(labels),
        glob,
        values,
        array,
        max_pixels,
        exclude_generated,
        pack=pack,
    )
    data = _opened(reference, request, progress)
    if not len(data.test):
        held = f"{len(data.train):,} copies of one image" if len(data.train) > 1 else "a single image"
        raise DataError(f"{data.name} holds {held}: at least 2 different ones are needed, one to train on, one to test")
    return data


def open_images(
    reference: Path | str, *, progress: Callable[[int, int], None] | None = None, **options: Any
) -> ImageDataset:
    """Open images that are only measured; a single image or copies of one are allowed, and ``test`` is then empty.

    References, arguments and errors are otherwise those of open_dataset.
    """
    return _opened(reference, DatasetRequest(**options), progress, measured=True)


def _opened(
    named: Path | str, options: DatasetRequest, progress: Callable[[int, int], None] | None, *, measured: bool = False
) -> ImageDataset:
    from genkit.registry.discovery import registry
    from genkit.registry.provenance import code_of

    if not isinstance(named, str | Path):
        raise UsageError(
            f"a data set is opened by its name or path, not from {type(named).__name__}: "
            "genkit.compare and genkit.train take images in memory"
        )
    reference = absolute_reference(str(named))
    path, pattern = split_glob(reference)
    given = options
    if pattern and options.glob not in ("", pattern):
        raise UsageError(f"{reference} has a pattern of its own: leave the glob {options.glob!r} out")
    options = replace(options, glob=pattern or options.glob)
    spec, argument = registry().dataset(path)
    root = options.data_root or folders.data_root()
    request = replace(options, argument=argument, data_root=None if root is None else Path(root))
    source = source_of(spec, request)
    code = code_of(spec, source)
    if request.exclude_generated and code is None and not isinstance(source, TreeSource):
        _LOG.warning("%s has no files that say how its images were made: none is left out as generated", reference)
    if type(source).__module__.partition(".")[0] != "genkit":
        source = Foreign(source, f"dataset {spec.name!r} of {spec.target}")
    if request.shape is not None or request.grey:
        source = Fitted(source, request)
    key = code.key if code is not None else ""
    opened = dataset_of(source, reference, progress, measured=measured, code=key, pack=request.pack)
    data = replace(opened, opened_with=given)
    request.expect(reference, *data.info().shape)
    _LOG.info("%s: %s", data.name, describe_data(data))
    for note in data.notes:
        _LOG.warning("%s: %s", data.name, note)
    return data


def dataset_of(
    source: Source,
    name: str,
    progress: Callable[[int, int], None] | None = None,
    *,
    measured: bool = False,
    code: str = "",
    pack: Pack = "pixels",
) -> ImageDataset:
    """Return the packed data set of a source; ``name`` is what it is called, the rest as in pack_source."""
    known = pack_source(source, progress, measured=measured, code=code, pack=pack)
    packed = known.packed
    count = len(packed.train)
    train, test, whole = (_captioned(split, source) for split in (packed.train, packed.test, packed.whole))
    return ImageDataset(
        name,
        packed.sha256,
        replace(train, names=known.names[:count] or None),
        replace(test, names=known.names[count:] or None),
        packed.classes,
        skipped=known.skipped,
        whole=replace(whole, names=known.names or None),
        own_splits=known.own_splits,
        left_out=known.left_out,
        notes=known.notes,
        departures=known.departures,
        generated=known.generated,
        generated_by=known.generated_by,
        grammar=source.grammar,
    )


def _captioned(split: Split, source: Source) -> Split:
    """Return a split whose images have the captions of their classes, if they have none of their own."""
    texts = source.grammar.class_captions() if source.grammar is not None else ()
    if not texts or split.captions is not None or split.labels is None:
        return split
    return replace(split, captions=ClassCaptions(texts, split.labels))


def absolute_reference(reference: str) -> str:
    """Return the reference with an absolute path: both ``photos`` and ``folder:photos`` become ``folder:/.../photos``.

    A pattern ``?glob=...`` stays behind it. Raises UnknownName, MissingError for a bare path that does not exist,
    DataError if it is no folder, zip or npz.
    """
    from genkit.registry.discovery import registry

    reference, pattern = split_glob(reference)
    found = _absolute_reference(reference)
    if not pattern:
        return found
    if registry().dataset(found)[0].argument != PATH:
        raise UsageError(f"{reference} has no files to choose from: leave {GLOB}{pattern} out")
    return f"{found}{GLOB}{pattern}"


def split_glob(reference: str) -> tuple[str, str]:
    """Return a reference without its ``?glob=PATTERN``, and the pattern; raises UsageError for what else stands there.

    A file or folder whose name has a question mark is no pattern.
    """
    path, _, pattern = reference.partition(GLOB)
    if path != reference and not os.path.exists(reference.partition(":")[2] or reference):
        if not pattern:
            raise UsageError(f"{reference} names no pattern: write {GLOB}PATTERN, such as {GLOB}*.png")
        return path, pattern
    if (found := _QUERY.search(reference)) and not os.path.exists(reference.partition(":")[2] or reference):
        raise UsageError(
            f"{reference}: of the options only {GLOB}PATTERN stands behind a path, {found[1]} is an option of its own"
        )
    return reference, ""


def _absolute_reference(reference: str) -> str:
    from genkit.registry.discovery import registry
    from genkit.registry.specs import DatasetSpec

    if not reference.strip():
        raise UsageError("the path or name of the images is empty: give a folder, a file or a data set")
    if "://" in reference:
        raise UsageError(f"{reference} is a URL, and images are read from disk: download them and give their path")
    if reference[1:3] == ":\\" or (reference[1:2] == ":" and reference[0].isupper()):
        raise UsageError(f"{reference} is a path of Windows: give a path of this machine, such as /mnt/c/photos")
    try:
        spec, argument = registry().dataset(reference)
    except UnknownName:
        if named := _from_path(reference):
            return named
        if ":" in reference:
            raise
        names = [offer.spec.name for offer in registry().offers(DatasetSpec)]
        here = "  (nor is there a folder or file of images of that name here; genkit datasets lists the data sets)"
        raise UnknownName("dataset", reference, names, here) from None
    if spec.argument != PATH:
        return reference
    if not argument.strip():
        raise UsageError(f"{reference} names no path: write {spec.name}:PATH")
    return f"{reference.removesuffix(argument)}{_absolute(argument)}"


def absolute_reference_or_same(reference: str) -> str:
    """Return ``absolute_reference(reference)``, or the reference as it is if it can't be absolute_reference."""
    try:
        return absolute_reference(reference)
    except GenkitError:
        return reference


def _from_path(reference: str) -> str:
    """Return the full reference of a bare path, or an empty string if it is not a path."""
    path = _absolute(reference)
    try:
        path.is_dir()
    except OSError as error:  # a name that is too long
        raise unreadable(path, error) from error
    if path.is_dir():
        return f"{_kind_of_folder(path)}:{path}"
    if path.is_file() and path.suffix.lower() in FILES:
        return f"{FILES[path.suffix.lower()]}:{path}"
    if path.suffix == ".tar" and "{" in path.name:
        return f"webdataset:{path}"
    head = reference.partition(":")[0]
    named = os.sep in head or head.startswith((".", "~")) or path.suffix.lower() in FILES
    if not named and not path.is_file():
        return ""
    if path.exists():
        if re.search(r"\.(tgz|tbz2?|txz|tar\.\w+)$", path.name.lower()):
            raise DataError(f"{path} is a compressed tar: unpack it first, and give the .tar or the folder")
        if path.suffix.lower() in _PICTURES:
            raise DataError(f"{path} is a single image: give its folder, and --glob to choose among files")
        kind = "" if path.suffix else f"; a file without suffix is named by its kind, e.g. lmdb:{reference}"
        raise DataError(f"{path} is no folder, .zip or .npz of images, nor a .npy, .tar, .parquet or .mdb file{kind}")
    raise MissingError(f"there is no {path}: check the path")


def _kind_of_folder(path: Path) -> str:
    """Return the data set that reads a folder: by a database or shards in it, or in a folder ``data`` of it."""
    names = {each.name.lower() for folder in (path, path / "data") if folder.is_dir() for each in os.scandir(folder)}
    suffixes = {Path(name).suffix for name in names if not name.startswith((".", "metadata."))}
    if "data.mdb" in names:
        return "lmdb"
    shards = sorted(suffixes & {".tar", ".parquet"})
    return FILES[shards[0]] if len(shards) == 1 and not suffixes & {".png", ".jpg", ".jpeg", ".webp"} else "folder"


def _absolute(text: str) -> Path:
    return Path(existing(os.path.expanduser(text))).absolute()
