"""Tests pack, packed, pack_writer, dataset and source of genkit.data."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import math
import os
import shutil
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.containers import png, tar

from genkit.data import open_images, pack_writer, packed
from genkit.data import pieces as pieces_module
from genkit.data.division import TEST_SHARE, split_hash
from genkit.data.folder import folder
from genkit.data.open import dataset_of
from genkit.data.source import DatasetRequest, Item, Source, SourceItems
from genkit.errors import DataError
from genkit.files.temporaries import ABANDONED, temporary_folder

Photos = Callable[..., Path]
NAMES = tuple(f"{index:02}.png" for index in range(40))


class Given(Source):
    """Images from memory, read as often as asked."""

    name = "given"

    def __init__(self, images: list[np.ndarray], key: Any = None, **facts: Any) -> None:
        self.images, self._key, self.facts, self.reads = images, key, facts, 0

    def key(self) -> Any:
        return self._key

    def read(self) -> SourceItems:
        self.reads += 1
        labels = self.facts.pop("labels", [None] * len(self.images))
        items: Iterator[Item] = (Item(image, label) for image, label in zip(self.images, labels, strict=True))
        return SourceItems(shape=(1, 2, 2), count=len(self.images), items=items, **self.facts)


def images(count: int, start: int = 0) -> list[np.ndarray]:
    return [np.random.default_rng(start + n).integers(0, 256, (1, 2, 2), dtype=np.uint8) for n in range(count)]


def on_side(count: int, *, test: bool) -> list[np.ndarray]:
    return [image for image in images(200) if (split_hash(image) < TEST_SHARE) == test][:count]


def opened(source: Source) -> Any:
    return dataset_of(source, source.name)


def folder_source(path: Path) -> Source:
    return folder(DatasetRequest(str(path)))


def test_second_opening_decodes_nothing(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photos(*NAMES)
    first = opened(folder_source(path))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(pieces_module, "decode", refuse)
    monkeypatch.setattr(pieces_module, "read_header", refuse)
    second = opened(folder_source(path))
    assert second.sha256 == first.sha256
    assert np.array_equal(second.everything().pixels, first.everything().pixels)


def test_what_another_process_packs_meanwhile_is_taken_from_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = Given(images(20), "one"), Given(images(20), "one")
    asked: list[tuple[Path, str]] = []

    @contextlib.contextmanager
    def waiting(path: Path, work: str) -> Iterator[None]:
        asked.append((path.parent, work))
        if len(asked) == 1:
            opened(others)
        yield

    monkeypatch.setattr("genkit.data.pack.waiting", waiting)
    assert opened(mine).sha256 == opened(others).sha256
    assert (mine.reads, others.reads) == (0, 1)
    assert asked == [(cache / "data" / "index", "packs given")] * 2
    assert not list((cache / "data" / "index").glob("*.lock"))


def test_touched_files_are_read_again_but_not_stored_again(photos: Photos, cache: Path) -> None:
    path = photos(*NAMES)
    first = opened(folder_source(path))
    os.utime(path / NAMES[0], (1, 1))
    assert opened(folder_source(path)).sha256 == first.sha256
    assert len([p for p in (cache / "data").iterdir() if p.name != "index"]) == 1


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_an_image_takes_little_memory_until_it_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("genkit.data.zip_directory._SLICE", 10_000)
    peaks = []
    for count in (20, 400, 1400, 1600):
        path = tmp_path / f"{count}.{kind}"
        files = {f"image-{index:08d}.png": png(np.full((2, 2), index % 256, np.uint8)) for index in range(count)}
        if kind == "folder":
            path.mkdir()
            for name, data in files.items():
                (path / name).write_bytes(data)
        elif kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name in reversed(files):
                    archive.writestr(name, files[name])
        else:
            tar(path, files)
        del files
        tracemalloc.start()
        assert len(open_images(path).everything()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # In one of them Python's table of all interned names may double, by 4 MB, whoever has filled it.
    assert min((peaks[2] - peaks[1]) / 1000, (peaks[3] - peaks[1]) / 1200) < 300


def test_names_are_read_from_their_file_and_those_of_before_from_the_entry(photos: Photos, cache: Path) -> None:
    path = photos(*NAMES)
    first = opened(folder_source(path))
    names = list(first.everything().names)
    assert sorted(names) == sorted(NAMES)
    (entry,) = (cache / "data" / "index").glob("*.json")
    (kept,) = (cache / "data" / "index").glob("*.names")
    facts = json.loads(entry.read_text())
    del facts["own_sha256"], facts["names_sha256"]
    entry.write_text(json.dumps({**facts, "names": names}))
    kept.unlink()
    before = opened(folder_source(path))
    assert list(before.train.names) == list(first.train.names)
    assert [before.everything().names[place] for place in before.everything().order] == list(NAMES)
    assert not list((cache / "data" / "index").glob("*.names"))


def test_damaged_names_pack_again(photos: Photos, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = photos(*NAMES)
    names = list(opened(folder_source(path)).everything().names)
    (kept,) = (cache / "data" / "index").glob("*.names")
    flipped(kept, -1)
    assert list(opened(folder_source(path)).everything().names) == names
    assert f"{kept} is not what was written" in caplog.text


def test_another_folder_of_the_same_images_shares_the_pack(photos: Photos) -> None:
    path = photos(*NAMES)
    shutil.copytree(path, path.parent / "copy")
    assert opened(folder_source(path)).sha256 == opened(folder_source(path.parent / "copy")).sha256


def test_same_size_and_time_but_other_bytes_is_seen(photos: Photos, draw: Any) -> None:
    from PIL import Image

    path = photos("unused.png").parent / "bitmaps"
    path.mkdir()
    for n in range(4):
        Image.fromarray(draw(n)).save(path / f"{n}.bmp")
        os.utime(path / f"{n}.bmp", (1_000, 1_000))
    first = opened(folder_source(path))
    Image.fromarray(draw(99)).save(path / "0.bmp")
    os.utime(path / "0.bmp", (1_000, 1_000))
    assert opened(folder_source(path)).sha256 != first.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ("x", "y"), "labels": [0, 1] * 10},
        {"classes": ("x", "z"), "labels": [0, 1] * 10},
        {"classes": ("x", "y"), "labels": [1, 0] * 10},
        {"levels": 255},
    ],
)
def test_content_hash_covers_labels_classes_and_levels(change: dict[str, Any]) -> None:
    base = [image // 2 for image in images(20)]
    found = {
        opened(Given(base, 0)).sha256,
        opened(Given(base, 1, classes=("a", "b"), labels=[0, 1] * 10)).sha256,
        opened(Given(base, 2, **change)).sha256,
    }
    assert len(found) == 3


def test_content_hash_covers_pixels() -> None:
    other = images(20)
    other[3] = other[3].copy()
    other[3][0, 0, 0] ^= 1
    assert opened(Given(images(20), 0)).sha256 != opened(Given(other, 1)).sha256


def test_copies_of_an_image_are_on_one_side() -> None:
    data = opened(Given(images(100) * 2))
    train = {image.tobytes() for image in data.train.pixels}
    test = {image.tobytes() for image in data.test.pixels}
    assert not train & test
    assert 0.1 < len(data.test) / 200 < 0.3


def test_the_split_of_an_image_does_not_depend_on_its_company() -> None:
    few, many = opened(Given(images(60), 0)), opened(Given(images(120), 1))
    assert {i.tobytes() for i in few.test.pixels} <= {i.tobytes() for i in many.test.pixels}


@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize("count", [2, 7])
def test_both_sides_get_an_image_even_if_all_hashes_fall_on_one(count: int, test: bool) -> None:
    source = on_side(count, test=test)
    labels = list(range(count))
    data = opened(Given(source * 2, classes=tuple("abcdefg"[:count]), labels=labels * 2))
    assert sorted([len(data.train), len(data.test)]) == [2, 2 * count - 2]
    whole = data.everything()
    for pixels, label in zip(whole.pixels, whole.labels, strict=True):
        assert np.array_equal(pixels, source[label])


@pytest.mark.parametrize("test", [False, True])
def test_copies_of_one_image_leave_nothing_to_test_on(test: bool) -> None:
    data = opened(Given(on_side(1, test=test) * 5))
    assert (len(data.train), len(data.test)) == (5, 0)
    assert len({image.tobytes() for image in data.everything().pixels}) == 1


def test_no_usable_image_is_one_sentence() -> None:
    with pytest.raises(DataError, match=r"given has no usable image \(0 bad\)"):
        opened(Given([]))


def test_everything_is_one_map_and_the_splits_are_its_views() -> None:
    data = opened(Given(images(50)))
    whole = data.everything()
    assert np.shares_memory(whole.pixels, data.train.pixels)
    assert np.array_equal(whole.pixels, np.concatenate([data.train.pixels, data.test.pixels]))
    assert not whole.pixels.flags.writeable


def test_float_images_are_levels_over_their_maximum() -> None:
    data = opened(Given([image // 16 for image in images(30)], levels=17))
    split = data.train
    assert torch.equal(split.images(slice(0, 5)), torch.from_numpy(np.array(split.pixels[:5])) / 16)
    assert split.uint8(slice(0, 5)).tolist() == np.rint(split.pixels[:5] * (255 / 16)).astype(np.uint8).tolist()


@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_damaged_pack_is_made_again(cache: Path, name: str, damage: str) -> None:
    source = Given(images(50), "k")
    first = opened(source)
    expected = first.everything().pixels.copy()
    file = cache / "data" / first.sha256 / name
    if damage == "truncate":
        file.write_bytes(file.read_bytes()[:-20])
    else:
        file.unlink()
    again = opened(source)
    assert source.reads == 2
    assert np.array_equal(again.everything().pixels, expected)
    assert again.sha256 == first.sha256
    assert packed.open_packed(cache / "data" / first.sha256, first.sha256) is not None


def test_packing_at_once_gives_all_the_same_pack(cache: Path, photos: Photos) -> None:
    path = photos(*NAMES)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: opened(folder_source(path)), range(8)))
    assert len({data.sha256 for data in found}) == 1
    assert {p.name for p in (cache / "data").iterdir()} == {"index", found[0].sha256}


def test_a_failed_packing_leaves_nothing_behind(cache: Path) -> None:
    def items() -> Iterator[Item]:
        yield Item(images(1)[0])
        raise DataError("bad")

    source = Given([])
    source.read = lambda: SourceItems((1, 2, 2), 2, items())  # type: ignore[method-assign]
    with pytest.raises(DataError, match="bad"):
        opened(source)
    assert [p.name for p in (cache / "data").iterdir()] == ["index"]


def declared(count: Any, items: Iterable[Any]) -> Given:
    """A source that says how many images it has."""
    source = Given([])
    source.read = lambda: SourceItems((1, 2, 2), count, items)  # type: ignore[method-assign]
    return source


@pytest.mark.parametrize("item", [Item(images(1)[0]), None])
def test_a_source_without_an_end_ends_where_it_said(cache: Path, item: Item | None) -> None:
    told: list[int] = []
    with pytest.raises(DataError, match="^given gives more than the 50 images that it says it has: correct its count$"):
        dataset_of(declared(50, itertools.repeat(item)), "given", lambda done, total: told.append(done))
    assert told == list(range(1, 51))
    assert [p.name for p in (cache / "data").iterdir()] == ["index"]


@pytest.mark.parametrize("given", [0, 1, 4])
def test_a_source_that_ends_early_is_refused(given: int) -> None:
    with pytest.raises(DataError, match=f"^given gives {given} images and says that it has 5: correct its count$"):
        opened(declared(5, [Item(image) for image in images(given)]))


@pytest.mark.parametrize("count", [1 << 62, 10**30])
def test_more_images_than_the_disk_takes_are_refused_before_the_first(count: int) -> None:
    def items() -> Iterator[Item]:
        raise AssertionError("an image was asked for")
        yield

    with pytest.raises(
        DataError, match=r"^given says that it has [\d,]+ images, which take .* GB free: correct its count"
    ):
        opened(declared(count, items()))


@pytest.mark.parametrize("count", [-1, 2.5, math.inf, None, "5", True])
def test_a_count_is_a_whole_number(count: Any) -> None:
    with pytest.raises(DataError, match="^given says that it has .* images: its count must be a whole number$"):
        opened(declared(count, []))
    assert len(opened(declared(np.int64(5), [Item(image) for image in images(5)])).everything()) == 5


def test_what_is_no_image_is_named() -> None:
    with pytest.raises(DataError, match="^given gives ndarray where an Item is due$"):
        opened(declared(1, images(1)))


def test_a_full_disk_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pack_writer.PackWriter, "append", full)
    with pytest.raises(DataError, match=r"can't be packed .* No space left on device; make room"):
        opened(Given(images(3)))


def test_a_cache_that_can_not_be_a_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set GENKIT_CACHE"):
        opened(Given(images(3)))


def test_labels_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"label 2 where one in 0 .. 1 is due"):
        opened(Given(images(2), classes=("a", "b"), labels=[0, 2]))


def test_levels_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"level \d+ where 0 .. 16 is due"):
        opened(Given(images(5), levels=17))


def test_progress_counts_every_image() -> None:
    told: list[tuple[int, int]] = []
    dataset_of(Given(images(4)), "given", lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_abandoned_pack_is_swept_and_one_at_work_is_not(cache: Path) -> None:
    for name, age in (("tmp-01d01d0_", 2 * ABANDONED), ("tmp-00e00e0_", 0)):  # of an older version
        (cache / "data" / name).mkdir(parents=True)
        then = time.time() - age
        os.utime(cache / "data" / name, (then, then))
    with temporary_folder(cache / "data" / "pack") as other:
        opened(Given(images(3)))
        assert other.is_dir()
    assert sorted(p.name for p in (cache / "data").glob("tmp-*")) == ["tmp-00e00e0_"]


def labelled() -> Given:
    return Given(images(50), "k", classes=("a", "b"), labels=[place % 2 for place in range(50)])


def flipped(path: Path, place: int) -> None:
    """Flip a bit and put the times back."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[place] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "order.npy", "meta.json"])
def test_a_flip_in_a_pack_is_said_and_packs_again(
    cache: Path, caplog: pytest.LogCaptureFixture, name: str, share: float
) -> None:
    first = opened(labelled())
    expected = first.everything().pixels.copy()
    path = cache / "data" / first.sha256 / name
    flipped(path, round(share * (path.stat().st_size - 1)))
    source = labelled()
    again = opened(source)
    assert source.reads == 1 and again.sha256 == first.sha256
    assert np.array_equal(again.everything().pixels, expected)
    (said,) = [message for message in caplog.messages if "damaged" in message]
    assert said.startswith("the packed copy of given in the cache is damaged, and packed again: ") and (
        name in said or name == "meta.json"
    )
    source = labelled()
    opened(source)
    assert source.reads == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_flip_in_what_is_known_of_a_source_reads_it_again(
    cache: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    opened(labelled())
    (entry,) = (cache / "data" / "index").iterdir()
    flipped(entry, round(share * (entry.stat().st_size - 1)))
    source = labelled()
    opened(source)
    assert source.reads == 1 and "is damaged, and packed again" in caplog.text


@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "order.npy"])
def test_a_pack_of_before_is_read_and_what_its_name_says_of_it_is_checked(cache: Path, name: str) -> None:
    first = opened(labelled())
    folder = cache / "data" / first.sha256
    meta = json.loads((folder / "meta.json").read_text())
    del meta["files"]
    (folder / "meta.json").write_text(json.dumps(meta))
    (entry,) = (cache / "data" / "index").iterdir()
    facts = json.loads(entry.read_text())
    del facts["own_sha256"]
    entry.write_text(json.dumps(facts))
    source = labelled()
    opened(source)
    assert source.reads == 0
    flipped(folder / name, -1)
    opened(source)
    assert source.reads == 1
