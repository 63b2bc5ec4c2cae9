"""A data set is named by the path where it was measured, or where it is now."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from making import record, score

from genkit import leaderboard
from genkit.data import open_images
from genkit.errors import UnknownName
from genkit.results import store


@pytest.fixture
def sets(tmp_path):
    """Two folders ``train`` with images of their own."""
    from PIL import Image

    for place, animal in enumerate(("cats", "dogs")):
        folder = tmp_path / animal / "train"
        folder.mkdir(parents=True)
        for index in range(3):
            pixels = np.random.default_rng([place, index]).integers(0, 256, (4, 4), np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path


def measured(root, data, value, name=""):
    found = record("dcgan", score(value), dataset=name or data.slug, protocol={"data": {"sha256": data.sha256}})
    store.add(root, found)
    return found


def test_two_folders_of_one_name_have_names_of_their_own(sets):
    assert [open_images(str(sets / animal / "train")).slug for animal in ("cats", "dogs")] == [
        "folder-cats-train",
        "folder-dogs-train",
    ]


def test_a_path_finds_its_board_also_among_old_records_of_one_name(sets):
    for place, animal in enumerate(("cats", "dogs")):
        measured(sets / "runs", open_images(str(sets / animal / "train")), float(place + 1), "folder-train")
    for place, animal in enumerate(("cats", "dogs")):
        board = leaderboard(sets / "runs", dataset=str(sets / animal / "train")).board
        assert [row.value for row in board.rows] == [place + 1]
    assert leaderboard(sets / "runs", dataset="folder-train").board.rows[0].value == 2


def test_a_path_that_runs_recorded_need_not_be_there(sets):
    data = open_images(str(sets / "cats" / "train"))
    run = sets / "runs" / data.slug / "dcgan" / "abcd"
    run.mkdir(parents=True)
    gone = f"folder:{sets / 'gone'}"
    (run / "run.json").write_text(json.dumps({"dataset": gone, "dataset_sha256": data.sha256}))
    measured(run, data, 1.0)
    assert leaderboard(sets / "runs", dataset=gone).board.dataset == "folder-cats-train"


def test_a_path_that_was_not_measured_names_what_was(sets):
    measured(sets / "runs", open_images(str(sets / "cats" / "train")), 1.0)
    with pytest.raises(UnknownName, match="The records have: folder-cats-train"):
        leaderboard(sets / "runs", dataset=str(sets / "dogs" / "train"))


def test_the_name_that_a_run_recorded_stays(sets):
    data = open_images(str(sets / "cats" / "train"))
    assert dataclasses.replace(data, short_name="folder-train").slug == "folder-train"


def test_a_name_that_records_have_in_other_letters_is_no_path(sets, monkeypatch):
    for animal in ("cats", "dogs"):
        measured(sets / "runs", open_images(str(sets / animal / "train")), 1.0, "Cats")
    monkeypatch.chdir(sets)
    assert leaderboard(sets / "runs", dataset="cats").board.dataset.startswith("Cats@")
