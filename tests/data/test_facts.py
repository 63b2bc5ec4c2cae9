from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import genkit
from genkit.data.facts import describe_dataset
from genkit.errors import MissingError


def test_a_data_set_is_described_by_its_name():
    found = describe_dataset("digits")
    assert str(found).startswith("digits: 1,797 images 8x8 grey of 17 levels, 10 classes: 0 178, 1 182")
    assert (found.shape, found.levels, found.values, found.own_splits) == ((1, 8, 8), 17, (0, 16), True)
    assert found.splits == {"train": 1437, "test": 360}
    assert found.classes["3"] == {"train": 147, "test": 36}
    assert found.sha256 == genkit.open_dataset("digits").sha256
    assert "embedded" in found.origin
    assert json.loads(json.dumps(found.to_json()))["values"] == [0, 16]


def test_a_folder_is_described_with_what_is_left_out_and_its_captions(photos):
    root = photos(*(f"{index}.png" for index in range(4)))
    for index in range(12):
        (root / f"bad{index:02d}.png").write_bytes(b"")
    (root / "0.txt").write_text("a cat")
    found = describe_dataset(str(root), skip_bad=True)
    assert (found.origin, found.captions, found.skipped, found.own_splits) == (str(root), 1, 12, False)
    assert [each.partition("bad")[2] for each in found.left_out] == [
        f"{index:02d}.png is empty (0 bytes)" for index in range(12)
    ]


def test_an_opened_data_set_is_described_too():
    data = genkit.open_dataset("digits")
    none = dataclasses.replace(data, name="array:0123")
    assert dataclasses.replace(describe_dataset(none), name="digits", origin="") == dataclasses.replace(
        describe_dataset(data), origin=""
    )
    assert describe_dataset(none).origin == "array:0123"


def test_values_are_those_that_occur(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.arange(3, 35, dtype=np.uint8).reshape(2, 4, 4))
    assert describe_dataset(tmp_path / "a.npz").values == (3, 34)


def test_a_path_that_is_not_there_is_an_error():
    with pytest.raises(MissingError, match="check the path"):
        describe_dataset("./nope")
