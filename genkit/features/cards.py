"""Cards of classifiers: what was trained, on what, how well, and the hash of the weights. Needs no torch.

A card is a JSON document beside the weights: name, dim, shape, classes, dataset, dataset_sha256, test_accuracy,
training (the settings), sha256 (of the weights file), genkit (the version).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genkit.errors import DataError, MissingError
from genkit.paths import cache_dir

Card = dict[str, Any]

_FIELDS = ("name", "dim", "shape", "classes", "dataset", "dataset_sha256", "test_accuracy", "training", "sha256")


def folder() -> Path:
    """Return the cache folder of extractors trained here: one folder each."""
    return cache_dir() / "features"


def read(path: Path) -> Card:
    """Read a card; raises MissingError, or DataError for a file that is none."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingError(f"there is no extractor card {path}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not an extractor's card ({error}): delete its folder and train again") from error
    missing = [field for field in _FIELDS if field not in card] if isinstance(card, dict) else list(_FIELDS)
    if missing:
        raise DataError(
            f"{path} is not an extractor's card, it lacks {missing[0]!r}: delete its folder and train again"
        )
    return dict(card)


def installed() -> list[Card]:
    """Return the cards of all extractors trained on this machine, by name; raises DataError for a damaged one."""
    return [read(path) for path in sorted(folder().glob("*/*.json"))]
