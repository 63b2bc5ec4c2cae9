"""Which arrays of an .npz file are images, which are their labels, and which are left out."""

from __future__ import annotations

from genkit.data.source import DatasetRequest, SplitName
from genkit.errors import DataError, UsageError, suggestion

IMAGES = ("images", "train_images", "x_train", "x", "data", "arr_0")
"""Arrays of images, the first of which is read; the others of its row below are its splits."""

LABELS: dict[str, tuple[str, ...]] = {
    "images": ("labels",),
    "train_images": ("train_labels",),
    "val_images": ("val_labels",),
    "test_images": ("test_labels",),
    "x_train": ("y_train",),
    "x_val": ("y_val",),
    "x_valid": ("y_valid",),
    "x_test": ("y_test",),
    "x": ("y", "labels"),
    "data": ("labels", "targets", "target", "y"),
    "arr_0": ("arr_1",),
}
"""The arrays of images and the arrays that may hold their labels."""

HELD_OUT = {
    "images": (("val_images",), "test_images"),
    "train_images": (("val_images",), "test_images"),
    "x_train": (("x_val", "x_valid"), "x_test"),
}
"""The arrays for validation and for testing that go with training images."""

STATISTICS = frozenset({"mu", "sigma", "mu_s", "sigma_s"})
"""Statistics of features, which may lie beside the images."""

KNOWN = frozenset({*LABELS, *(name for names in LABELS.values() for name in names), "classes"})


def choose_arrays(
    names: list[str], request: DatasetRequest, location: str
) -> tuple[list[tuple[str, SplitName | None]], list[str]]:
    """Return the arrays of images with their splits, and notes on what is left out.

    Raises DataError, which names ``location``, if no array is known, UsageError if the chosen one is not there.
    """
    images = _images(names, request, location)
    found = {name.lower(): name for name in names}
    vals, test = ((), "") if request.array else HELD_OUT.get(images.lower(), ((), ""))
    val = next((found[name] for name in vals if name in found), "")
    parts: list[tuple[str, SplitName | None]] = [(images, None)]
    notes = []
    if test in found:
        parts = [(images, "train"), (found[test], "test")]
        if val:
            notes.append(f"{images} is trained on and {found[test]} tested on; {val} is left out")
    elif test and f"{test.removesuffix('images')}labels" in found:
        raise DataError(f"{location} has test_labels but no test_images: add them or leave both out")
    elif val:
        parts = [(images, "train"), (val, "test")]
        notes.append(f"{val} is the test split, as there is no {test}")
    used = {images, found.get(test, ""), val, found.get("classes", "")}
    used |= {found[label] for name in used for label in LABELS.get(name.lower(), ()) if label in found}
    if statistics := [name for name in names if name in STATISTICS]:
        notes.append(f"{', '.join(statistics)} are statistics and are not read as images")
    if others := sorted(set(names) - used - STATISTICS):
        notes.append(f"not read of its arrays: {', '.join(others)}")
    return parts, notes


def _images(names: list[str], request: DatasetRequest, location: str) -> str:
    """Return the name of the array that holds the images, or the training images."""
    listed = ", ".join(sorted(names)) or "none"
    if request.array:
        if request.array not in names:
            raise UsageError(f"{location} has no array {request.array!r}: choose one of {listed}")
        return request.array
    found = {name.lower(): name for name in names}
    for name in IMAGES:
        if name in found and (name != "arr_0" or found.keys() & KNOWN <= {"arr_0", "arr_1"}):
            _refuse_misspelt(names, IMAGES + LABELS[name] + ("classes", "test_images", "test_labels"), location)
            return found[name]
    _refuse_misspelt(names, tuple(KNOWN), location)
    if names and set(names) <= STATISTICS:
        raise DataError(f"{location} holds statistics ({listed}) and no images: give images here")
    likely = next((name for name in names if name.lower() in LABELS), "NAME")
    raise DataError(
        f"{location} has no array 'images'; it has {listed}: rename the one with images, "
        f"or choose it, e.g. --array {likely}"
    )


def _refuse_misspelt(names: list[str], known: tuple[str, ...], location: str) -> None:
    """Raise DataError for an array whose name is almost one of ``known`` that is not there."""
    lower = {name.lower() for name in names}
    for name in names:
        near = suggestion(name, [each for each in known if each not in lower and len(each) > 3])
        if near and name.lower() not in KNOWN | STATISTICS:
            raise DataError(
                f"{location} has an array {name!r}, which is not known.{near} "
                "Rename it, or choose the array of images with --array"
            )
