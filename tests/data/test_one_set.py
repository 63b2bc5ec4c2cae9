"""One set of images in every container is one data set: the same hash, order and labels.

Tests shards, webdataset, parquet and key_value of genkit.data with what they have in common.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data.containers import COLOUR, COUNT, FILES, LABELS, NAMES, database, structs, table, tar

import genkit
from genkit.data import ImageDataset, open_dataset

REFERENCE = np.random.default_rng(6).integers(0, 256, (15, 8, 8, 3), dtype=np.uint8)


def folder(root: Path) -> str:
    (root / "photos").mkdir()
    for name, data in zip(NAMES, FILES, strict=True):
        (root / "photos" / f"{name}.png").write_bytes(data)
    return str(root / "photos")


def zipped(root: Path) -> str:
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for name, data in zip(NAMES, FILES, strict=True):
            archive.writestr(f"{name}.png", data)
    return str(root / "photos.zip")


def stylegan_zip(root: Path) -> str:
    return stylegan(root, None)


def stylegan(root: Path, labels: list[int] | None) -> str:
    """Write a zip as StyleGAN's dataset_tool.py does: shards of files, stored, and dataset.json."""
    names = [f"00000/img{index:08d}.png" for index in range(COUNT)]
    pairs = labels and [[name, label] for name, label in zip(names, labels, strict=True)]
    with zipfile.ZipFile(root / "stylegan.zip", "w", compression=zipfile.ZIP_STORED) as archive:
        for name, data in zip(names, FILES, strict=True):
            archive.writestr(name, data)
        archive.writestr("dataset.json", json.dumps({"labels": pairs}))
    return str(root / "stylegan.zip")


def one_tar(root: Path) -> str:
    shuffled = np.random.default_rng(0).permutation(COUNT)
    return str(tar(root / "photos.tar", {f"./{NAMES[index]}.png": FILES[index] for index in shuffled}))


def tar_shards(root: Path) -> str:
    for shard in range(3):
        rows = range(shard * 4, shard * 4 + 4)
        tar(root / f"photos-{shard:06d}.tar", {f"{NAMES[index]}.png": FILES[index] for index in rows})
    return str(root / "photos-{000000..000002}.tar")


def parquet_file(root: Path) -> str:
    return str(table(root / "photos.parquet", {"image": structs(FILES)}))


def parquet_binary(root: Path) -> str:
    return str(table(root / "photos.parquet", {"png": pa.array(FILES, pa.binary())}))


def parquet_folder(root: Path) -> str:
    table(root / "data" / "train-00000-of-00002.parquet", {"image": structs(FILES[:7])})
    table(root / "data" / "train-00001-of-00002.parquet", {"image": structs(FILES[7:])})
    return str(root)


def lmdb_folder(root: Path) -> str:
    return str(database(root / "bedroom_lmdb", {name.encode(): data for name, data in zip(NAMES, FILES, strict=True)}))


def npy_file(root: Path) -> str:
    np.save(root / "photos.npy", COLOUR)
    return str(root / "photos.npy")


def npz_file(root: Path) -> str:
    np.savez(root / "photos.npz", COLOUR)
    return str(root / "photos.npz")


CONTAINERS = [
    folder,
    zipped,
    stylegan_zip,
    one_tar,
    tar_shards,
    parquet_file,
    parquet_binary,
    parquet_folder,
    lmdb_folder,
    npy_file,
    npz_file,
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Other images, of three classes."""
    path = tmp_path_factory.mktemp("reference") / "reference.npz"
    np.savez(path, images=REFERENCE, labels=np.arange(15) % 3)
    return str(path)


def score(data: ImageDataset, reference: str, metric: str) -> float:
    record = genkit.compare(data, reference, metrics=[metric], features="pixels", device="cpu").record
    return next(found.value for found in record.scores if found.metric == metric)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, reference: str) -> tuple[str, float]:
    """The content hash and the FID of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = open_dataset(folder(tmp_path_factory.mktemp("set")))
        return data.sha256, score(data, reference, "fid")


@pytest.mark.parametrize("make", CONTAINERS)
def test_one_set_has_one_hash_and_one_fid_in_every_container(
    make: Callable[[Path], str], tmp_path: Path, expected: tuple[str, float], reference: str
) -> None:
    data = open_dataset(make(tmp_path))
    assert (data.sha256, score(data, reference, "fid")) == expected
    assert not data.notes
    whole = data.everything()
    assert whole.order is not None
    assert np.array_equal(np.asarray(whole.pixels)[whole.order], COLOUR.transpose(0, 3, 1, 2))


def labelled_tar(root: Path, kind: str, write: Callable[[int], bytes]) -> str:
    files = {}
    for name, data, label in zip(NAMES, FILES, LABELS, strict=True):
        files |= {f"{name}.png": data, f"{name}.{kind}": write(label)}
    return str(tar(root / "labelled.tar", files))


def cls(root: Path) -> str:
    return labelled_tar(root, "cls", lambda label: str(label).encode())


def json_beside(root: Path) -> str:
    return labelled_tar(root, "json", lambda label: json.dumps({"label": label}).encode())


def class_label(root: Path) -> str:
    features = {"label": {"names": ["0", "1", "2"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    return str(table(root / "a.parquet", {"image": structs(FILES), "label": LABELS}, features))


def plain_column(root: Path) -> str:
    return str(table(root / "a.parquet", {"image": structs(FILES), "label": LABELS}))


def numbers_beside(root: Path) -> str:
    np.savez(root / "a.npz", images=COLOUR, labels=np.array(LABELS))
    return str(root / "a.npz")


def stylegan_labels(root: Path) -> str:
    return stylegan(root, LABELS)


def metadata_beside(root: Path) -> str:
    path = Path(folder(root))
    rows = [{"file_name": f"{name}.png", "label": label} for name, label in zip(NAMES, LABELS, strict=True)]
    (path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def class_folders(root: Path, name: Callable[[int], str] = lambda index: "") -> str:
    for index, (file, data) in enumerate(zip(NAMES, FILES, strict=True)):
        path = root / "classes" / name(index) / str(LABELS[index]) / f"{file}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root / "classes")


def imagenet(root: Path) -> str:
    return class_folders(root, lambda index: "train" if index < 6 else "val")


LABELLED = [
    cls,
    json_beside,
    class_label,
    plain_column,
    numbers_beside,
    stylegan_labels,
    metadata_beside,
    class_folders,
    imagenet,
]


@pytest.fixture(scope="module")
def expected_per_class(tmp_path_factory: pytest.TempPathFactory, reference: str) -> tuple[str, float]:
    """The content hash of the labelled images, and their FID per class."""
    root = tmp_path_factory.mktemp("labelled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENKIT_CACHE", str(root / "cache"))
        np.savez(root / "same.npz", x=COLOUR, y=np.array(LABELS))
        data = open_dataset(str(root / "same.npz"))
        return data.sha256, score(data, reference, "fid_per_class")


@pytest.mark.parametrize("make", LABELLED)
def test_one_labelled_set_has_one_hash_and_one_fid_per_class_in_every_layout(
    make: Callable[[Path], str], tmp_path: Path, expected_per_class: tuple[str, float], reference: str
) -> None:
    data = open_dataset(make(tmp_path))
    assert data.classes == ("0", "1", "2")
    sha256, value = expected_per_class
    assert score(data, reference, "fid_per_class") == pytest.approx(value, rel=1e-9)
    if make not in (class_folders, imagenet):  # which are in the order of their folders, and split by them
        assert data.sha256 == sha256
        assert labels_in_order(data) == LABELS


def labels_in_order(data: ImageDataset) -> list[int]:
    whole = data.everything()
    assert whole.labels is not None
    assert whole.order is not None
    return [int(label) for label in np.asarray(whole.labels)[whole.order]]


def test_class_folders_in_a_tar_are_those_of_the_folder(tmp_path: Path) -> None:
    names = [f"{'abc'[label]}/{name}.png" for name, label in zip(NAMES, LABELS, strict=True)]
    path = tar(tmp_path / "classes.tar", dict(zip(names, FILES, strict=True)))
    for name, data in zip(names, FILES, strict=True):
        file = tmp_path / "classes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    folders = open_dataset(str(tmp_path / "classes"), labels="folders")
    assert folders.classes == ("a", "b", "c")
    assert open_dataset(str(path)).classes == ("a", "b", "c")
    assert open_dataset(str(path)).sha256 == folders.sha256


def test_captions_of_tar_and_parquet_are_one_data_set(tmp_path: Path) -> None:
    texts = [f"number {name}" for name in NAMES]
    files = {}
    for name, data, text in zip(NAMES, FILES, texts, strict=True):
        files |= {f"{name}.png": data, f"{name}.txt": text.encode()}
    shards = open_dataset(str(tar(tmp_path / "a.tar", files)))
    rows = open_dataset(str(table(tmp_path / "a.parquet", {"image": structs(FILES), "text": texts})))
    lists = open_dataset(str(table(tmp_path / "b.parquet", {"image": structs(FILES), "caption": [[t] for t in texts]})))
    assert shards.sha256 == rows.sha256 == lists.sha256
    whole = shards.everything()
    assert whole.captions is not None
    assert whole.order is not None
    assert [whole.captions[place] for place in whole.order] == [(text,) for text in texts]


@pytest.mark.parametrize("make", [zipped, one_tar, tar_shards, parquet_file, lmdb_folder, npy_file, npz_file])
def test_size_and_grey_work_as_for_folders(make: Callable[[Path], str], tmp_path: Path) -> None:
    path, photos = make(tmp_path), folder(tmp_path)
    how: dict[str, Any]
    for how, shape in (
        ({"size": 4, "grey": True}, (1, 4, 4)),
        ({"size": (5, 11)}, (3, 5, 11)),
        ({"size": 16, "crop": "none"}, (3, 16, 16)),
    ):
        reference = open_dataset(path, **how)
        assert reference.info().shape == shape
        assert reference.sha256 == open_dataset(photos, **how).sha256
