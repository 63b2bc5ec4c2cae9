"""Files of labels and captions as they come: other separators, line ends and types, and lines that contradict."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.containers import COLOUR
from PIL import Image

from genkit.data import ImageDataset, open_images
from genkit.data.annotations import parse
from genkit.data.labelling import name_classes
from genkit.errors import DataError

LINES = ["0.png,x,one", '"1.png",y,"two, three"', "2.png,x,four"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(COLOUR[index]).save(folder / f"{index}.png")
    return folder


def read(root: Path, name: str, text: str, **how: Any) -> ImageDataset:
    (root / name).write_bytes(text.encode())
    return open_images(f"folder:{root}", **how)


def said(data: ImageDataset) -> tuple[Any, Any]:
    """Return the class name and the captions of each image, in the order of the source."""
    whole = data.everything()
    order: Any = whole.order
    labels = None if whole.labels is None else [data.classes[label] for label in whole.labels[order]]
    return labels, None if whole.captions is None else [whole.captions[place] for place in order]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("\ufefffile_name,label,text\r\n" + "\r\n".join(LINES), ()),
        ("file_name;label;text\n0.png;x;one\n1.png;y;two, three\n2.png;x;four\n", ("semicolons",)),
        ("file_name\tlabel\ttext\n0.png\tx\tone\n1.png\ty\ttwo, three\n2.png\tx\tfour\n", ("tabs",)),
        ("file_name,label,text\n" + "\n".join(LINES).replace("0.png", ".\\0.png").replace("2.png", "./2.png"), ()),
    ],
)
def test_a_table_in_the_forms_that_other_tools_write(root: Path, text: str, note: tuple[str, ...]) -> None:
    data = read(root, "metadata.csv", text)
    assert said(data) == (["x", "y", "x"], [("one",), ("two, three",), ("four",)])
    assert all(word in " ".join(data.notes) for word in note)


def test_a_table_of_absolute_paths(root: Path) -> None:
    data = read(root, "metadata.csv", "file_name,label\n" + "\n".join(f"{root}/{i}.png,{'xyx'[i]}" for i in range(3)))
    assert said(data)[0] == ["x", "y", "x"]


def test_whole_numbers_written_as_floats_are_numbers(root: Path) -> None:
    data = read(root, "metadata.csv", "file_name,label\n0.png,1.0\n1.png,0.0\n2.png,2.0\n")
    assert said(data)[0] == ["1", "0", "2"]


def test_several_lines_of_one_image_are_its_captions(root: Path) -> None:
    data = read(root, "metadata.csv", "file_name,text\n0.png,one\n1.png,two\n0.png,other\n2.png,3\n")
    assert said(data)[1] == [("one", "other"), ("two",), ("3",)]


def test_lines_of_json_end_at_line_feeds_alone_and_numbers_are_captions(root: Path) -> None:
    texts = ["a\u2028b", 5, ["c", None, "d"]]
    lines = [json.dumps({"file_name": f"{i}.png", "text": text}, ensure_ascii=False) for i, text in enumerate(texts)]
    assert said(read(root, "metadata.jsonl", "\n\n".join(lines)))[1] == [("a\u2028b",), ("5",), ("c", "d")]


def test_columns_that_are_not_known_are_named(root: Path) -> None:
    data = read(root, "metadata.csv", "file_name,breed\n0.png,x\n1.png,y\n2.png,x\n")
    assert "no column of labels or captions among breed" in " ".join(data.notes)


PAIRS = '[["0.png", 1], ["1.png", 0], ["2.png", 1]]'


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("metadata.csv", "file_name,label\n0.png,x\n0.png,y\n1.png,x\n2.png,y\n", "gives 0.png two labels, x and y"),
        (
            "metadata.csv",
            "file_name,text\n0.png,one, two\n1.png,x\n2.png,y\n",
            "3 columns in the line of 0.png, and 2 in its first",
        ),
        ("metadata.csv", "file_name,label\n", "has no lines: give it one for each image"),
        (
            "metadata.csv",
            "file_name,label\n0.png,-1\n1.png,0\n2.png,0\n",
            "label -1 of image 0 is not in .*--labels none",
        ),
        ("metadata.jsonl", '[{"file_name": "0.png"}]', "write one object a line"),
        (
            "metadata.jsonl",
            '{"file_name": "0.png", "label": [1, 2]}',
            r"has the label \[1, 2\] of 0.png: give it one number",
        ),
        ("metadata.jsonl", '{"file_name": "0.png", "text": {"a": 1}}', "caption .* is no text: write a text"),
        ("dataset.json", '{"labels": 5}', "labels that are no list"),
        ("dataset.json", '{"labels": [["0.png", -1], ["1.png", 0], ["2.png", 0]]}', "label -1 of image 0 is not in"),
        ("dataset.json", '{"labels": [["0.png", [NaN, 1]]]}', "it must be a number or numbers"),
        ("dataset.json", '{"labels": [["0.png", 1], ["0.png", 0]]}', "gives 0.png two labels, 1 and 0"),
        ("dataset.json", '{"labels": ' + PAIRS[:-5], "can't be read .*: save it again as .json in UTF-8"),
    ],
)
def test_what_can_not_be_told_is_refused_and_read_without_labels(root: Path, name: str, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read(root, name, text)
    if "label" in text and "[{" not in text and not text.endswith("label\n"):
        assert open_images(f"folder:{root}", labels="none").classes == ()


def test_a_json_of_another_purpose_is_no_file_of_labels(root: Path) -> None:
    assert np.shape(read(root, "dataset.json", '{"name": "x"}').everything().pixels) == (3, 3, 8, 8)


@pytest.mark.parametrize("text", ['{"0.png": 1, "1.png": 0, "2.png": 1}', PAIRS])
def test_a_json_of_labels_in_another_form_is_refused_where_it_is_named(root: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=r"labels\.json has no labels: write .*\[\[file, label\], \.\.\.\]"):
        open_images(f"folder:{root}", labels=tmp_path / "labels.json")


def test_where_labels_are_is_said_in_any_case_and_a_flat_folder_has_none(root: Path) -> None:
    assert open_images(f"folder:{root}", labels="NONE").notes == ()
    assert "no two class folders" in " ".join(open_images(f"folder:{root}", labels="Folders").notes)


TABLES = {
    "metadata.csv": ("file_name,label,text\n", '{0}.png,{1},"picture {0}, sunny"\n'),
    "metadata.jsonl": ("", '{{"file_name": "{0}.png", "label": {1}, "text": "picture {0}, sunny"}}\n'),
}


@pytest.mark.parametrize("name", TABLES)
def test_of_a_long_table_only_what_it_says_is_held(name: str) -> None:
    head, row = TABLES[name]
    data = (head + "".join(row.format(index, index % 1000) for index in range(5_000))).encode()
    tracemalloc.start()
    found = parse(data, name, name, lambda text: False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 200 * 5_000
    assert (len(found.names), found.names[7], found.label([7]), found.captions[7]) == (
        5_000,
        "7.png",
        "7" if name.endswith("csv") else 7,
        ("picture 7, sunny",),
    )


def test_a_table_of_too_many_columns_is_refused(root: Path) -> None:
    lines = [json.dumps({"file_name": "0.png", f"column {index}": 1}) for index in range(10_001)]
    with pytest.raises(DataError, match="more than 10,000 columns"):
        read(root, "metadata.jsonl", "\n".join(lines))


def test_one_image_by_several_names_has_their_captions_name_by_name(root: Path) -> None:
    lines = ["0.png,one", "./0.png,two", "0.png,three", "1.png,x", "2.png,y"]
    data = read(root, "metadata.csv", "file_name,text\n" + "\n".join(lines))
    assert said(data)[1] == [("one", "three", "two"), ("x",), ("y",)]


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        ([3, "3.0", 1], [1, 1, 0], ("1", "3")),
        (["b", "a", "b", "1"], [2, 1, 2, 0], ("1", "a", "b")),
        ([2.0, "2", 0, 1], [2, 2, 0, 1], ("0", "1", "2")),
        (["12345678901234567890.0", "1"], [1, 0], ("1", "12345678901234567890")),
        ([], [], ()),
    ],
)
def test_labels_are_numbered(labels: list[Any], numbers: list[int], classes: tuple[str, ...]) -> None:
    assert name_classes(labels)[:2] == (numbers, classes)
