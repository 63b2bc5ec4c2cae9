"""From a reference such as ``folder:photos`` to a packed data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from genkit import paths
from genkit.data.dataset import ImageDataset
from genkit.data.pack import pack_source
from genkit.data.source import Crop, DatasetRequest, Source
from genkit.errors import PluginError, UnknownName


def open_dataset(
    reference: str,
    *,
    data_root: Path | None = None,
    size: int | None = None,
    crop: Crop = "center",
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Open a data set: ``digits``, ``mnist``, ``folder:PATH``, ``zip:PATH``, ``npz:PATH`` or one of a plugin's.

    The first time it is packed into the cache; later, as long as the files have not changed, nothing is read. A bare
    PATH of a folder, a .zip or a .npz works too, unless a data set has that name. ``data_root`` is where downloaded
    data lies (default ``GENKIT_DATA``). ``size`` makes images of folders and zips size x size: their centred square, or
    the whole image stretched with ``crop="none"``. ``skip_bad`` leaves bad files out and counts them in ``skipped``.
    ``progress`` is told images done and images in all. Raises UsageError for a reference or size that makes no sense,
    MissingError for data that is not there, DataError for data that can't be used.
    """
    from genkit.registry import registry

    try:
        spec, argument = registry().dataset(reference)
    except UnknownName:
        named = _from_path(reference)
        if named is None:
            raise
        reference = named
        spec, argument = registry().dataset(reference)
    request = DatasetRequest(argument, data_root or paths.data_root(), size, crop, skip_bad)
    source = spec.load()(request)
    if not isinstance(source, Source):
        raise PluginError(f"dataset {spec.name!r}: {spec.target} returns {type(source).__name__}, not a Source")
    return dataset_of(source, reference, progress)


def dataset_of(source: Source, name: str, progress: Callable[[int, int], None] | None = None) -> ImageDataset:
    """Return the packed data set of a source, under a name."""
    opened = pack_source(source, progress)
    packed = opened.packed
    return ImageDataset(
        name,
        packed.sha256,
        packed.train,
        packed.test,
        packed.classes,
        skipped=opened.skipped,
        whole=packed.whole,
        own_splits=opened.own_splits,
    )


def _from_path(reference: str) -> str | None:
    """Return the full reference of a bare path that exists."""
    path = Path(reference).expanduser()
    if path.is_dir():
        return f"folder:{path}"
    if path.is_file() and path.suffix.lower() in (".zip", ".npz"):
        return f"{path.suffix.lower()[1:]}:{path}"
    return None
