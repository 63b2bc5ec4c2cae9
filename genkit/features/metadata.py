"""Metadata of trained classifiers: data set, accuracy and the hash of the weights. Needs no torch.

A JSON file next to the weights with name, dim, shape, classes, dataset, dataset_sha256, test_accuracy, training (the
settings), sha256 (of the weights file) and genkit (the version).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genkit.errors import DataError, MissingError
from genkit.files.folders import cache_dir
from genkit.files.reading import parse_json, read_file

Metadata = dict[str, Any]

_FIELDS = ("name", "dim", "shape", "classes", "dataset", "dataset_sha256", "test_accuracy", "training", "sha256")


def folder() -> Path:
    """Return the cache folder of extractors trained here: one folder each."""
    return cache_dir() / "features"


def read(path: Path) -> Metadata:
    """Read a metadata file; raises MissingError if there is none, DataError if it is invalid."""
    try:
        info = parse_json(read_file(path))
    except FileNotFoundError as error:
        raise MissingError(f"there is no extractor metadata {path}") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not an extractor's metadata ({error}): delete its folder and train again"
        ) from error
    missing = [field for field in _FIELDS if field not in info] if isinstance(info, dict) else list(_FIELDS)
    if missing:
        raise DataError(
            f"{path} is not an extractor's metadata, {missing[0]!r} is missing: delete its folder and train again"
        )
    return dict(info)


def installed() -> list[Metadata]:
    """Return the metadata of all extractors trained on this machine, by name; raises DataError for an invalid file."""
    return [read(path) for path in sorted(folder().glob("*/*.json"))]
