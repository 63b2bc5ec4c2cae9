from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data.containers import COLOUR, FILES, LABELS, structs, table

from genkit.data import open_dataset
from genkit.errors import MissingError


class Rows:
    """What is used of a ``datasets.Dataset``: features, columns, rows and the fingerprint."""

    def __init__(self, files: list[bytes], labels: list[int], schema: Any) -> None:
        self.files, self.labels = files, labels
        self.features = SimpleNamespace(arrow_schema=schema)
        self._fingerprint = str(hash(tuple(files)))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return {"label": self.labels}[key]
        return {"image": {"bytes": self.files[key], "path": None}, "label": self.labels[key]}

    def cast_column(self, column: str, feature: Any) -> Rows:
        assert (column, feature.decode) == ("image", False)
        return self


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    features = {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}
    path = table(tmp_path / "a.parquet", {"image": structs(FILES), "label": LABELS}, features)
    schema = pa.parquet.read_schema(path)
    splits = {"train": Rows(FILES[:8], LABELS[:8], schema), "test": Rows(FILES[8:], LABELS[8:], schema)}
    made = SimpleNamespace(
        load_dataset=lambda name: {"owner/shapes": splits}[name], Image=lambda decode: SimpleNamespace(decode=decode)
    )
    monkeypatch.setitem(sys.modules, "datasets", made)
    return splits


def test_a_data_set_of_the_hub_has_its_splits_and_classes(library: Any) -> None:
    data = open_dataset("hf:owner/shapes")
    assert (len(data.train), len(data.test), data.classes) == (8, 4, ("a", "b", "c"))
    assert np.array_equal(data.test.pixels, COLOUR[8:].transpose(0, 3, 1, 2))
    assert data.test.labels is not None
    assert data.test.labels.tolist() == LABELS[8:]


def test_validation_is_left_out_beside_a_test_split(library: Any) -> None:
    library["validation"] = library["test"]
    assert open_dataset("hf:owner/shapes").notes == ("train and test are read; left out: validation",)
    del library["test"]
    assert len(open_dataset("hf:owner/shapes").test) == 4


def test_what_can_not_be_fetched_is_one_sentence(library: Any) -> None:
    with pytest.raises(MissingError, match="hf:owner/nothing can't be fetched .*: check its name and the network"):
        open_dataset("hf:owner/nothing")


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingError, match=r"needs datasets, .*: pip install 'genkit-toolkit\[hf\]'"):
        open_dataset("hf:owner/shapes")
