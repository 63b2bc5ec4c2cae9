"""What is said of shards that can't be read, or that can be read in several ways."""

from __future__ import annotations

import gzip
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data.containers import COLOUR, FILES, LABELS, NAMES, database, png, structs, table, tar

from genkit.data import open_dataset
from genkit.errors import DataError, MissingError, UsageError


def rows(path: Path, start: int, stop: int, **columns: Any) -> Path:
    return table(path, {"image": structs(FILES[start:stop]), **columns})


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    tar(tmp_path / "a-000000.tar", {"x.png": FILES[0]})
    tar(tmp_path / "a-000002.tar", {"y.png": FILES[1]})
    with pytest.raises(MissingError, match=r"a-000001\.tar is missing, with 1 more of 4 shards"):
        open_dataset(str(tmp_path / "a-{000000..000003}.tar"))


def test_a_missing_parquet_file_is_named(tmp_path: Path) -> None:
    rows(tmp_path / "data" / "train-00000-of-00002.parquet", 0, 5)
    rows(tmp_path / "data" / "test-00000-of-00001.parquet", 5, 9)
    with pytest.raises(MissingError, match=r"lacks train-00001-of-00002\.parquet, one of 2 files"):
        open_dataset(str(tmp_path))


def test_splits_are_those_of_the_files_names(tmp_path: Path) -> None:
    rows(tmp_path / "data" / "train-00000-of-00001.parquet", 0, 6)
    rows(tmp_path / "data" / "validation-00000-of-00001.parquet", 6, 8)
    data = open_dataset(str(tmp_path))
    assert (len(data.train), len(data.test)) == (6, 2)
    assert data.notes == ("validation is the test split, as there is no test",)
    rows(tmp_path / "data" / "test-00000-of-00001.parquet", 8, 12)
    data = open_dataset(str(tmp_path))
    assert (len(data.train), len(data.test)) == (6, 4)
    assert data.notes == ("train is trained on and test tested on; validation is left out",)


def test_a_folder_of_tar_shards_is_read_in_order(tmp_path: Path) -> None:
    for shard in (1, 0):
        tar(tmp_path / f"{shard:05d}.tar", {f"{index}.png": FILES[shard * 6 + index] for index in range(6)})
    whole = open_dataset(str(tmp_path)).everything()
    assert whole.order is not None
    assert np.array_equal(np.asarray(whole.pixels)[whole.order], COLOUR.transpose(0, 3, 1, 2))


def test_a_compressed_or_damaged_tar_is_said(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", dict(zip(NAMES, FILES, strict=True)))
    whole = path.read_bytes()
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match="is a compressed tar: unpack it with gunzip first"):
        open_dataset(str(path))
    path.write_bytes(b"no tar at all")
    with pytest.raises(DataError, match=r"a\.tar is not a readable tar file"):
        open_dataset(str(path))
    files = {f"{name}.png": data * 9 for name, data in zip(NAMES, FILES, strict=True)}
    path.write_bytes(tar(path, files).read_bytes()[:3000])
    with pytest.raises(DataError, match=r"a\.tar"):
        open_dataset(str(path))


def test_labels_of_some_images_only_are_refused_or_left_out(tmp_path: Path) -> None:
    files = {f"{name}.png": data for name, data in zip(NAMES, FILES, strict=True)} | {"0000.cls": b"1"}
    path = str(tar(tmp_path / "a.tar", files))
    with pytest.raises(DataError, match=r"a\.tar/0001\.png has no label though others have"):
        open_dataset(path)
    assert not open_dataset(path, labels="none").classes
    with pytest.raises(UsageError, match="labels of .* are read from the file itself"):
        open_dataset(path, labels="folders")


def test_names_in_cls_are_classes(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for name, data, label in zip(NAMES, FILES, LABELS, strict=True):
        files |= {f"{name}.png": data, f"{name}.cls": ("dog", "cat", "eel")[label].encode()}
    assert open_dataset(str(tar(tmp_path / "a.tar", files))).classes == ("cat", "dog", "eel")


def test_class_names_come_from_the_schema(tmp_path: Path) -> None:
    features = {"label": {"names": ["cat", "dog", "eel", "fox"], "_type": "ClassLabel"}}
    columns = {"image": structs(FILES), "label": LABELS}
    data = open_dataset(str(table(tmp_path / "a.parquet", columns, features)))
    assert data.classes == ("cat", "dog", "eel", "fox")
    assert data.notes == ("no image is of class fox",)
    columns["label"] = [-1] * len(FILES)
    with pytest.raises(DataError, match=r"has label -1 where its classes are 0 \.\. 3"):
        open_dataset(str(table(tmp_path / "b.parquet", columns, features)))


def test_parquet_without_images_is_refused_and_two_columns_are_a_choice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column of encoded images among a, b"):
        open_dataset(str(table(tmp_path / "a.parquet", {"a": [1], "b": ["x"]})))
    both = {"left": pa.array(FILES, pa.binary()), "right": pa.array(FILES[::-1], pa.binary())}
    path = str(table(tmp_path / "b.parquet", both))
    with pytest.raises(DataError, match="may have images in left, right: choose the column with --array left"):
        open_dataset(path)
    assert len(open_dataset(path, array="right").everything()) == len(FILES)
    (tmp_path / "c.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"c\.parquet can't be read as parquet"):
        open_dataset(str(tmp_path / "c.parquet"))


def test_without_the_extra_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(table(tmp_path / "a.parquet", {"image": structs(FILES)}))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingError, match=r"needs pyarrow, .*: pip install 'genkit-toolkit\[parquet\]'"):
        open_dataset(path)


def test_a_bad_value_is_left_out_on_request(tmp_path: Path) -> None:
    values = {name.encode(): data for name, data in zip(NAMES, FILES, strict=True)}
    path = str(database(tmp_path / "db", values | {b"0003": b"no image", b"num-samples": b"12"}))
    with pytest.raises(DataError, match="0003 is not a"):
        open_dataset(path)
    data = open_dataset(path, skip_bad=True)
    assert (data.skipped, len(data.everything())) == (1, len(FILES) - 1)
    assert data.notes == ("the entry num-samples is no image and is not read",)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"x" * 9000)
    with pytest.raises(DataError, match=r"data\.mdb can't be read as LMDB"):
        open_dataset(str(tmp_path))
    with pytest.raises(MissingError, match=r"give the folder that holds data\.mdb"):
        open_dataset(f"lmdb:{tmp_path / 'none'}")


def test_mixed_sizes_need_a_size(tmp_path: Path) -> None:
    path = str(tar(tmp_path / "a.tar", {"a.png": FILES[0], "b.png": png(COLOUR[1][:, :5]), "c.png": FILES[2]}))
    with pytest.raises(DataError, match="different sizes.* --size 5"):
        open_dataset(path)
    assert open_dataset(path, size=5).info().shape == (3, 5, 5)


def test_several_images_of_one_sample_are_a_choice(tmp_path: Path) -> None:
    files = {f"{index}.{kind}": FILES[index] for index in range(2) for kind in ("image.png", "mask.png")}
    path = tar(tmp_path / "x.tar", {**files, "0.cls": b"1", "1.cls": b"0"})
    with pytest.raises(
        DataError, match=r"several images of one sample, such as .*: choose with --glob '\*\.image\.png'"
    ):
        open_dataset(str(path))
    assert open_dataset(str(path), glob="*.image.png").info().num_classes == 2


def test_a_label_that_is_no_label_can_be_left_out(tmp_path: Path) -> None:
    files = {f"{index}.png": FILES[index] for index in range(2)}
    path = tar(tmp_path / "x.tar", {**files, "0.json": b'{"label": [1, 2], "caption": "a"}', "1.json": b"{}"})
    with pytest.raises(DataError, match="--labels none"):
        open_dataset(str(path))
    assert open_dataset(str(path), labels="none").classes == ()


def test_several_labels_of_a_parquet_row_are_refused_or_left_out(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"image": structs(FILES), "label": pa.array([[0, 1]] * len(FILES))})
    with pytest.raises(DataError, match=r"has the label \[0, 1\]: an image has one number or name"):
        open_dataset(str(path))
    assert open_dataset(str(path), labels="none").classes == ()


def test_classes_of_other_names_in_another_file_are_refused(tmp_path: Path) -> None:
    for shard, names in enumerate((["a", "b"], ["b", "a"])):
        columns = {"image": structs(FILES[shard * 2 : shard * 2 + 2]), "label": [0, 1]}
        features = {"label": {"_type": "ClassLabel", "names": names}}
        table(tmp_path / f"train-{shard:05d}-of-00002.parquet", columns, features)
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet names other classes than the files before it"):
        open_dataset(str(tmp_path))
    assert open_dataset(str(tmp_path), labels="none").classes == ()


def test_a_folder_with_one_of_several_files_is_refused_and_the_file_itself_read(tmp_path: Path) -> None:
    one = rows(tmp_path / "train-00000-of-00002.parquet", 0, 4)
    with pytest.raises(MissingError, match=r"lacks train-00001-of-00002\.parquet"):
        open_dataset(str(tmp_path))
    data = open_dataset(str(one))
    assert len(data.train) + len(data.test) == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dataset.json", b'{"labels": [["d/0.png", 1], ["d/1.png", 0], ["d/2.png", 1]]}'),
        ("metadata.csv", b"file_name,label\nd/0.png,1\nd/1.png,0\nd/2.png,1\n"),
    ],
)
def test_a_tar_with_a_file_of_labels_is_read_as_a_zip_is(tmp_path: Path, name: str, text: bytes) -> None:
    data = open_dataset(str(tar(tmp_path / "a.tar", {**{f"d/{i}.png": FILES[i] for i in range(3)}, name: text})))
    whole = data.everything()
    assert whole.labels is not None and [data.classes[label] for label in whole.labels[whole.order]] == ["1", "0", "1"]


def test_links_in_a_tar_are_said_and_paths_upwards_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"0.png": FILES[0], "1.png": FILES[1]})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "0.png"
        archive.addfile(link)
    assert "a.tar has 1 links, such as 2.png, which are not read" in open_dataset(str(path)).notes
    with pytest.raises(DataError, match=r"member '\.\./0\.png' climbs out of the folder"):
        open_dataset(str(tar(tmp_path / "b.tar", {"../0.png": FILES[0], "1.png": FILES[1]})))


def test_a_compressed_tar_is_named_by_its_suffix(tmp_path: Path) -> None:
    for name in ("a.tgz", "a.tar.gz", "a.tar.zst"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match="is a compressed tar: unpack it first"):
            open_dataset(str(tmp_path / name))
