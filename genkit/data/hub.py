"""Data sets of the Hugging Face hub, ``hf:OWNER/NAME``, through the library ``datasets`` and its own cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genkit.data.annotations import CAPTIONS, caption_texts
from genkit.data.extras import extra_module
from genkit.data.parquet import image_column, label_column
from genkit.data.pieces import Piece
from genkit.data.shards import Samples, SampleTree
from genkit.data.source import DatasetRequest, Source, SplitName
from genkit.data.tree import TreeSource
from genkit.errors import DataError, MissingError

SECOND = ("test", "validation", "valid", "val")
"""Names of the split that is tested on; the first that is there."""


class HubTree(SampleTree):
    """The rows of one data set; ``train`` and ``test``, or validation where there is no test, are the splits."""

    has_arrays = True

    def __init__(self, name: str, request: DatasetRequest) -> None:
        super().__init__(f"hf:{name}", request)
        self._datasets = extra_module("datasets", "hf", f"reading hf:{name}")
        self._parts: list[tuple[Any, int]] = []
        """The rows of each split that is read, and the place of the first."""
        self._column = ""
        self._classes: tuple[str, ...] = ()
        try:
            self._splits: dict[str, Any] = dict(self._datasets.load_dataset(name))
        except Exception as error:  # the library raises errors of the network, of the hub and of its own
            raise MissingError(
                f"hf:{name} can't be fetched ({' '.join(str(error).split())[:200] or type(error).__name__}): check its "
                "name and the network, or fetch its parquet files and give their folder"
            ) from error

    def key(self) -> Any:
        """Return the fingerprints of the splits."""
        return [self.location, {name: [len(rows), rows._fingerprint] for name, rows in sorted(self._splits.items())}]

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the ClassLabel."""
        return self._classes

    def read_samples(self) -> Samples:
        """List all rows; raises DataError if no column holds images."""
        found = Samples()
        for name, split in self._used().items():
            rows = self._splits[name]
            schema = rows.features.arrow_schema
            self._column = image_column(schema, self.request, self.location)
            label, classes = label_column(schema, self.request)
            if len(found.names) and classes != self._classes:
                raise DataError(f"{self.location} names the classes of its splits differently: add --labels none")
            self._classes = classes
            texts = [each for each in CAPTIONS if each in schema.names]
            columns = {each: list(rows[each]) for each in [*([label] if label else []), *texts]}
            images = rows.cast_column(self._column, self._datasets.Image(decode=False))
            self._parts.append((images, len(found.names)))
            for index in range(len(rows)):
                captions = caption_texts([columns[each][index] for each in texts])
                found.add(f"{name}/{index:08d}", split, columns[label][index] if label else None, captions)
        return found

    def piece(self, place: int) -> Piece:
        """Return one row's image, its bytes or its file; raises DataError."""
        images, first = next(part for part in reversed(self._parts) if part[1] <= place)
        value = images[place - first][self._column]
        if value and value.get("bytes") is not None:
            return Piece(self.full_name(place), value["bytes"])
        path = str((value or {}).get("path") or "")
        if not Path(path).is_file():
            raise DataError(f"{self.full_name(place)} has no image in {self._column}")
        return Piece(self.full_name(place), path=path, limit=self.limit)

    def _used(self) -> dict[str, SplitName | None]:
        """Return the splits that are read, and note those left out."""
        second = next((name for name in SECOND if name in self._splits), "")
        used: dict[str, SplitName | None] = dict.fromkeys(list(self._splits)[:1])
        if "train" in self._splits:
            used = {"train": "train", second: "test"} if second else {"train": None}
        if left := [name for name in self._splits if name not in used]:
            self.said.append(f"{' and '.join(used)} are read; left out: {', '.join(left)}")
        return used


def hub(request: DatasetRequest) -> Source:
    """Return the source of ``hf:OWNER/NAME``."""
    return TreeSource(HubTree(request.argument, request), request)
