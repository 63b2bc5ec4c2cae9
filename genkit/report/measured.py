"""Which data set's records are meant where a path of images is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genkit.errors import DataError, GenkitError, UnknownName
from genkit.files.integrity import unsealed
from genkit.files.reading import read_file
from genkit.files.text import read_back
from genkit.ranking.datasets import content
from genkit.results.locations import is_url
from genkit.results.records import Record


def measured_at(wanted: str, records: Sequence[Record], root: Path | str) -> str:
    """Return the name that records below ``root`` have for a path's data; any other text is returned as it is.

    The data is that which runs and records below ``root`` had at this path, else that which is there now. Raises
    UnknownName if no record has it.
    """
    names = {name for each in records for name in (each.dataset.lower(), each.dataset.lower().partition("@")[0])}
    if wanted.lower() in names or read_back(wanted).lower() in names:
        return wanted
    from genkit.data.open import absolute_reference  # brings torch, which names need not

    try:
        reference = absolute_reference(wanted)
    except GenkitError:
        return wanted  # no path: rank names the data sets that there are
    if ":" not in reference:
        return wanted
    for found in (_recorded(reference, records, root), _content_now(reference)):
        there = [record for record in records if content(record) in found]
        if there:
            return max(there, key=lambda record: record.place).dataset
    listed = ", ".join(sorted({record.dataset for record in records})) or "none"
    raise UnknownName("measured data set", reference, [], f" The records have: {listed}")


def _recorded(reference: str, records: Sequence[Record], root: Path | str) -> set[str]:
    """Return the contents that a reference had for runs and records."""
    found = {content(record) for record in records if record.subject.options.get("reference") == reference}
    folders = [] if is_url(root) else [Path(root), Path(root) / "runs"]  # where genkit bench keeps them
    for file in (file for folder in folders for file in folder.glob("*/*/*/run.json")):
        try:
            config = unsealed(read_file(file), file)
            if config["dataset"] == reference:
                found.add(str(config["dataset_sha256"]))
        except (OSError, DataError, KeyError):
            continue  # such runs are named by the commands that need them
    return found - {""}


def _content_now(reference: str) -> set[str]:
    from genkit.data import open_images

    try:
        return {open_images(reference).sha256}
    except GenkitError:
        return set()
