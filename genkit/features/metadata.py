"""Metadata of trained classifiers: data set, accuracy and the hash of the weights. Needs no torch.

A JSON file next to the weights with name, dim, shape, classes, dataset, dataset_sha256, test_accuracy, training (the
settings), sha256 (of the weights file) and genkit (the version).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from genkit.errors import DataError, MissingError
from genkit.files.folders import cache_dir
from genkit.files.guard import guarded, sentence
from genkit.files.integrity import Damaged, unsealed
from genkit.files.reading import read_file

Metadata = dict[str, Any]

_FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "dataset", "dataset_sha256", "sha256"), str),
    **dict.fromkeys(("shape", "classes"), list),
    "dim": int,
    "test_accuracy": (int, float),
    "training": dict,
}


def folder() -> Path:
    """Return the cache folder of extractors trained here: one folder each."""
    return cache_dir() / "features"


def read(path: Path) -> Metadata:
    """Read a metadata file; raises MissingError if there is none, DataError if it is invalid."""
    try:
        info = unsealed(read_file(path), path)
    except FileNotFoundError as error:
        raise MissingError(f"there is no extractor metadata {path}") from error
    except (OSError, Damaged) as error:
        raise DataError(
            f"{path} is not an extractor's metadata ({error}): delete its folder and train again"
        ) from error
    if not isinstance(info, dict):
        raise DataError(f"{path} is not an extractor's metadata: delete its folder and train again")
    for field, kind in _FIELDS.items():
        if not isinstance(info.get(field), kind):
            wrong = "is wrong" if field in info else "is missing"
            raise DataError(
                f"{path} is not an extractor's metadata, {field!r} {wrong}: delete its folder and train again"
            )
    return dict(info)


def find(name: str) -> Metadata | None:
    """Return the metadata of the extractor trained here under a name, or None; raises DataError for an invalid file."""
    path = folder() / name / f"{name}.json"
    return read(path) if Path(name).name == name and path.is_file() else None


def installed(problem: Callable[[str], None] = lambda sentence: None) -> list[Metadata]:
    """Return the metadata of all extractors trained on this machine, by name.

    ``problem`` is called with a sentence for each file that is not valid: only who needs that extractor fails.
    """
    found: list[Metadata] = []
    for path in sorted(folder().glob("*/*.json")):
        with guarded(lambda error: problem(sentence(error))):
            found.append(read(path))
    return found
