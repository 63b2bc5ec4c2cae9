"""Layouts of folders and zips as other tools write them. Tests genkit.data.annotations and genkit.data.extras too."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from genkit.data import open_dataset, open_images
from genkit.data.arrange import layout
from genkit.data.extras import extra_module
from genkit.data.source import DatasetRequest
from genkit.data.texts import Captions
from genkit.errors import DataError, MissingError

LABELS = [0, 0, 1, 1, 1, 2, 2, 2]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


def picture(index):
    return Image.fromarray(np.random.default_rng(index).integers(0, 256, (6, 5, 3), np.uint8))


def write(root, names):
    """Write picture 0, 1, 2 ... under these names."""
    for index, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(index).save(root / name)
    return root


def shards(labels, root):
    """Write a folder as StyleGAN's dataset_tool.py does; ``labels`` are those of dataset.json."""
    names = [f"00000/img{index:08}.png" for index in range(8)]
    write(root, names)
    pairs = labels and [[name, label] for name, label in zip(names, labels, strict=True)]
    (root / "dataset.json").write_text(json.dumps({"labels": pairs}))
    return root


def labels_of(data):
    """Return the class name of each image, in the order of the source."""
    split = data.everything()
    return None if split.labels is None else [data.classes[label] for label in split.labels[split.order]]


def test_stylegans_labels_are_those_of_dataset_json(tmp_path):
    data = open_dataset(f"folder:{shards(LABELS, tmp_path / 'a')}")
    assert labels_of(data) == [str(label) for label in LABELS]


def test_a_zip_of_stylegan_is_read_like_its_folder(tmp_path):
    root = shards(LABELS, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in sorted(root.rglob("*.*")):
            file.write(path, path.relative_to(root))
    assert open_dataset(f"zip:{tmp_path / 'a.zip'}").sha256 == open_dataset(f"folder:{root}").sha256


def test_labels_null_are_no_labels_and_shards_no_classes(tmp_path):
    root = write(shards(None, tmp_path / "a"), [f"00001/img{index:08}.png" for index in range(8)])
    data = open_dataset(f"folder:{root}")
    assert (labels_of(data), data.classes) == (None, ())


def test_shards_without_dataset_json_are_no_classes_and_that_is_said(tmp_path):
    data = open_dataset(f"folder:{write(tmp_path / 'a', ['00000/img00000000.png', '00001/img00001000.png'])}")
    assert data.classes == ()
    assert "shards, not classes" in " ".join(data.notes)


def test_vectors_are_read_as_their_largest_entry_and_that_is_said(tmp_path):
    data = open_dataset(f"folder:{shards(np.eye(3)[LABELS].tolist(), tmp_path / 'a')}")
    assert labels_of(data) == [str(label) for label in LABELS]
    assert "largest entry" in " ".join(data.notes)


def test_an_image_without_a_label_is_named(tmp_path):
    root = write(shards(LABELS, tmp_path / "a"), [f"00000/img{index:08}.png" for index in range(9)])
    with pytest.raises(DataError, match=r"no label for 00000/img00000008.png \(1 of 9 images\).*--labels none"):
        open_dataset(f"folder:{root}")
    assert open_dataset(f"folder:{root}", labels="none").classes == ()


@pytest.mark.parametrize(
    ("train", "test"), [("train", "val"), ("Train", "Test"), ("train", "valid"), ("TRAIN", "Validation")]
)
def test_the_names_of_splits_are_known_in_any_case(tmp_path, train, test):
    names = [f"{split}/{label}/{index}.png" for index in range(4) for split in (train, test) for label in "ab"]
    data = open_dataset(f"folder:{write(tmp_path / 'a', names)}")
    assert (data.classes, len(data.train), len(data.test), data.own_splits) == (("a", "b"), 8, 8, True)


def test_of_three_splits_validation_is_left_out_and_that_is_said(tmp_path):
    names = [f"{split}/{index}.png" for index in range(3) for split in ("train", "val", "test")]
    data = open_dataset(f"folder:{write(tmp_path / 'a', names)}")
    assert (len(data.train), len(data.test)) == (3, 3)
    assert "val/ is left out" in " ".join(data.notes)


def test_splits_without_train_are_refused_with_the_choice(tmp_path):
    write(tmp_path / "a", ["val/0.png", "test/1.png"])
    with pytest.raises(DataError, match=r"test/ and val/ but no train/.*--labels"):
        open_dataset(f"folder:{tmp_path / 'a'}")


ROWS = [
    {"file_name": f"{index}.png", "label": "abc"[label], "text": f"picture {index}"}
    for index, label in enumerate(LABELS)
]


def _csv(folder):
    lines = [",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)]
    (folder / "metadata.csv").write_text("\n".join(lines))


def _jsonl(folder):
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, ROWS)))


def _parquet(folder):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "metadata.parquet")


@pytest.mark.parametrize("metadata", [_csv, _jsonl, _parquet])
def test_metadata_of_hugging_face_gives_labels_and_captions(tmp_path, metadata):
    root = write(tmp_path / "a", [f"{index}.png" for index in range(8)])
    metadata(root)
    data = open_dataset(f"folder:{root}")
    split = data.everything()
    assert labels_of(data) == ["abc"[label] for label in LABELS]
    assert [split.captions[place] for place in split.order] == [(f"picture {index}",) for index in range(8)]
    assert [split.names[place] for place in split.order] == [f"{index}.png" for index in range(8)]


def test_a_table_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root = write(tmp_path / "a", [f"{index}.png" for index in range(8)])
    rows = [{"file_name": f"{index}.png", "text": "x" * 300_000} for index in range(8)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / "metadata.parquet")
    assert (root / "metadata.parquet").stat().st_size < 100_000
    assert open_dataset(f"folder:{root}").train.captions
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "2")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "other"))
    with pytest.raises(DataError, match=r"metadata.parquet has 2,\d{3},\d{3} bytes, .*: raise GENKIT_MAX_MEMORY"):
        open_dataset(f"folder:{root}")


def test_metadata_in_folders_of_splits(tmp_path):
    root = write(tmp_path / "a", [f"{split}/{index}.png" for split in ("train", "test") for index in range(8)])
    _jsonl(root / "train")
    _jsonl(root / "test")
    data = open_dataset(f"folder:{root}")
    assert (len(data.train), len(data.test), data.classes) == (8, 8, ("a", "b", "c"))
    assert data.train.captions[3] == ("picture 3",)


@pytest.mark.parametrize("header", ["file_name,label\n", ""])
def test_a_table_beside_a_folder(tmp_path, header):
    root = write(tmp_path / "a", [f"{index}.png" for index in range(8)])
    lines = "\n".join(f"{index}.png,{'abc'[label]}" for index, label in enumerate(LABELS))
    (tmp_path / "labels.csv").write_text(header + lines)
    data = open_dataset(f"folder:{root}", labels=tmp_path / "labels.csv")
    assert labels_of(data) == ["abc"[label] for label in LABELS]
    assert ("column 1 is read as file" in " ".join(data.notes)) == (header == "")


def test_all_layouts_of_one_labelled_set_have_one_content(tmp_path):
    folders = write(tmp_path / "folders", [f"{'abc'[label]}/{index}.png" for index, label in enumerate(LABELS)])
    flat = write(tmp_path / "flat", [f"{index}.png" for index in range(8)])
    (flat / "metadata.csv").write_text(
        "file_name,label\n" + "\n".join(f"{row['file_name']},{row['label']}" for row in ROWS)
    )
    one, other = open_dataset(f"folder:{folders}"), open_dataset(f"folder:{flat}")
    assert labels_of(one) == labels_of(other)
    assert one.sha256 == other.sha256


def test_a_table_of_other_files_is_refused(tmp_path):
    root = write(tmp_path / "a", ["0.png", "1.png"])
    (tmp_path / "labels.csv").write_text("file_name,label\nx.png,a\n")
    with pytest.raises(DataError, match=r"names x.png, and no image of that name is there"):
        open_dataset(f"folder:{root}", labels=str(tmp_path / "labels.csv"))


def test_a_table_without_a_column_of_files_is_refused(tmp_path):
    root = write(tmp_path / "a", ["0.png", "1.png"])
    (tmp_path / "labels.csv").write_text("what,else\nx,a\n")
    with pytest.raises(DataError, match="columns what, else, of which none is a file"):
        open_dataset(f"folder:{root}", labels=str(tmp_path / "labels.csv"))


def test_several_lines_of_one_image_are_its_captions(tmp_path):
    root = write(tmp_path / "set", [f"{index}.png" for index in range(4)])
    lines = [f"{index}.png,caption {number} of {index}\n" for number in range(3) for index in range(4)]
    (root / "metadata.csv").write_text("image,caption\n" + "".join(lines))
    split = open_images(f"folder:{root}").everything()
    texts = [split.captions[place] for place in split.order]
    assert texts == [tuple(f"caption {number} of {index}" for number in range(3)) for index in range(4)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metadata.csv", "file_name,label\n0.png,cat\n1.png,dog\n0.png,dog\n", "gives 0.png two labels, cat and dog"),
        ("metadata.csv", "file_name,label\n0.png,-1\n1.png,0\n", "label -1 of image 0 .*--labels none"),
        ("metadata.csv", "file_name,label\n0.png,0\n1.png,70000\n", "label 70000 of image 1 .*--labels none"),
        ("metadata.csv", "file_name,text\n0.png,a dog, running\n1.png,a cat\n", "line of 0.png, and 2 .* in quotes"),
        ("metadata.jsonl", '{"file_name": "0.png", "label": [0, 1]}\n', "label .0, 1. of 0.png: .*--labels none"),
    ],
)
def test_a_table_that_can_not_be_told_is_refused(tmp_path, name, content, message):
    root = write(tmp_path / "set", ["0.png", "1.png"])
    (root / name).write_text(content)
    with pytest.raises(DataError, match=message):
        open_images(f"folder:{root}")


def test_labels_that_are_not_wanted_refuse_nothing(tmp_path):
    root = write(tmp_path / "set", ["0.png", "1.png"])
    lines = [json.dumps({"file_name": f"{index}.png", "label": [0, 1], "text": f"text {index}"}) for index in range(2)]
    (root / "metadata.jsonl").write_text("\n".join(lines))
    data = open_images(f"folder:{root}", labels="none")
    assert data.classes == ()
    assert sorted(data.everything().captions) == [("text 0",), ("text 1",)]


def test_text_files_beside_images_are_captions_a_line_each(tmp_path):
    root = write(tmp_path / "a", ["0.png", "1.png"])
    (root / "1.txt").write_text("a cat\n\nsmall\n")
    split = open_dataset(f"folder:{root}").everything()
    assert [split.captions[place] for place in split.order] == [(), ("a cat", "small")]


def test_text_files_are_read_one_by_one_as_images_are_packed():
    read = []

    def content(place):
        read.append(place)
        return f"caption {place}".encode()

    images = [f"{index}.png" for index in range(4)]
    found = layout(images, ["2.txt", "0.txt", "other.txt"], content, "here", DatasetRequest())
    members = iter(found.members)
    assert (next(members).captions, read) == (("caption 1",), [1])
    assert [each.captions for each in members] == [(), ("caption 0",), ()]
    assert read == [1, 0]


def test_a_pack_of_before_with_captions_in_json_is_read(tmp_path, cache):
    root = write(tmp_path / "a", [f"{index}.png" for index in range(8)])
    _jsonl(root)
    data = open_dataset(f"folder:{root}")
    pack = cache / "data" / data.sha256
    assert isinstance(data.train.captions, Captions)  # which are not in memory
    text = json.dumps(list(map(list, data.everything().captions)))
    meta = json.loads((pack / "meta.json").read_text())
    assert hashlib.sha256(text.encode()).hexdigest() == meta["captions_sha256"]
    for facts in (meta["bytes"], meta["files"]):
        del facts["captions.texts"]
    meta["bytes"]["captions.json"] = len(text)
    (pack / "captions.texts").unlink()
    (pack / "captions.json").write_text(text)
    (pack / "meta.json").write_text(json.dumps(meta))
    packed = []
    again = open_dataset(f"folder:{root}", progress=lambda done, total: packed.append(done))
    assert list(again.everything().captions) == list(map(tuple, json.loads(text))) and not packed


def test_a_flip_in_captions_is_said_and_packs_again(tmp_path, cache, caplog):
    root = write(tmp_path / "a", [f"{index}.png" for index in range(8)])
    _jsonl(root)
    first = open_dataset(f"folder:{root}")
    captions = list(first.everything().captions)
    path = cache / "data" / first.sha256 / "captions.texts"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    again = open_dataset(f"folder:{root}")
    assert "captions.texts is not what was written" in caplog.text
    assert list(again.everything().captions) == captions


def test_captions_are_part_of_the_content(tmp_path):
    root = write(tmp_path / "a", ["0.png", "1.png"])
    before = open_dataset(f"folder:{root}").sha256
    (root / "1.txt").write_text("a cat")
    first = open_dataset(f"folder:{root}").sha256
    (root / "1.txt").write_text("a dog")
    assert len({before, first, open_dataset(f"folder:{root}").sha256}) == 3


def test_images_in_folders_and_outside_are_measured_without_labels(tmp_path):
    root = write(tmp_path / "a", ["0.png", "x/1.png"])
    for _ in range(2):  # packed, and from the pack
        assert open_images(f"folder:{root}").classes == ()
        with pytest.raises(DataError, match="--labels none"):
            open_dataset(f"folder:{root}")


def test_what_is_measured_and_trained_on_is_packed_once(tmp_path):
    root = write(tmp_path / "a", ["a/0.png", "a/1.png", "b/2.png"])
    open_images(f"folder:{root}")
    packed = []
    open_dataset(f"folder:{root}", progress=lambda done, total: packed.append(done))
    assert packed == []


def test_a_size_and_a_range_may_be_lists_as_a_record_has_them(tmp_path):
    root = write(tmp_path / "a", ["0.png", "1.png"])
    one = open_images(f"folder:{root}", size=(4, 3), values=(0, 100))
    assert open_images(f"folder:{root}", size=[4, 3], values=[0, 100]).sha256 == one.sha256


def test_a_folder_beside_splits_is_refused_by_the_names_that_are_there(tmp_path):
    root = write(tmp_path / "a", ["Train/0.png", "val/1.png", "extra/2.png"])
    with pytest.raises(DataError, match=r"has Train/ and val/ but also extra/2.png"):
        open_dataset(f"folder:{root}")


@pytest.mark.parametrize("pattern", ["*_fake_B.png", "sub/*_fake_B.png"])
def test_a_glob_chooses_files(tmp_path, pattern):
    root = write(tmp_path / "a", ["sub/0_fake_B.png", "sub/0_real_A.png", "sub/1_fake_B.png", "sub/1_real_A.png"])
    assert sorted(open_images(f"folder:{root}", glob=pattern).everything().names) == [
        "sub/0_fake_B.png",
        "sub/1_fake_B.png",
    ]
    with pytest.raises(DataError, match=r"no file that matches '\*.gif' among 4, such as sub/0_fake_B.png"):
        open_images(f"folder:{root}", glob="*.gif")


def test_a_missing_library_names_the_extra_that_brings_it():
    with pytest.raises(MissingError, match=r"needs nowhere, which is not installed: pip install 'genkit-toolkit\[x\]'"):
        extra_module("nowhere.at.all", "x", "reading it")
