"""A set that is kept as its files is the set that is kept as pixels. Tests encoded and pack_writer of genkit.data."""

from __future__ import annotations

import io
import os
import shutil
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from data.containers import COUNT, FILES, LABELS, NAMES, structs, table, tar
from PIL import Image

from genkit.data import ImageDataset, describe_dataset, encoded, facts, open_dataset, open_images
from genkit.data.encoded import EncodedPixels
from genkit.data.packed import open_packed
from genkit.errors import DataError, UsageError


def folder(root: Path) -> str:
    for index, (name, data) in enumerate(zip(NAMES, FILES, strict=True)):
        path = root / "photos" / ("train" if index < 8 else "test") / "abc"[LABELS[index]] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root / "photos")


def zipped(root: Path) -> str:
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for name, data in zip(NAMES, FILES, strict=True):
            archive.writestr(f"{name}.png", data)
    return str(root / "photos.zip")


def shards(root: Path) -> str:
    for shard in range(3):
        files = {}
        for index in range(shard * 4, shard * 4 + 4):
            files |= {f"{NAMES[index]}.png": FILES[index], f"{NAMES[index]}.txt": f"number {index}".encode()}
        tar(root / f"photos-{shard:06d}.tar", files)
    return str(root / "photos-{000000..000002}.tar")


def parquet(root: Path) -> str:
    return str(table(root / "photos.parquet", {"image": structs(FILES), "label": LABELS}))


def arrays(root: Path) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 3, 5, 7), dtype=np.uint8)
    np.savez(root / "photos.npz", images=pixels)
    return str(root / "photos.npz")


def photographs(root: Path) -> str:
    """JPEGs of several sizes, of which one is turned by its orientation."""
    (root / "photos").mkdir()
    for index in range(20):
        coarse = np.random.default_rng(index).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 1 + index % 8
        Image.fromarray(coarse).resize((20 + index, 30)).save(root / "photos" / f"{index}.jpg", exif=exif)
    return str(root / "photos")


SETS: list[tuple[Callable[[Path], str], dict[str, Any]]] = [
    (folder, {"labels": "folders"}),
    (zipped, {"grey": True}),
    (shards, {}),
    (parquet, {}),
    (arrays, {}),
    (arrays, {"size": 4}),
    (photographs, {"size": (16, 12), "crop": "none"}),
    (lambda root: "digits", {}),
]


def odd_files() -> list[bytes]:
    """Images of one size as cameras and drawing programs write them, each of another kind."""
    rng = np.random.default_rng(7)
    colour = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(12)]
    deep = Image.fromarray(rng.integers(0, 65536, (8, 8), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = colour[4].convert("RGBA")
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)))
    written: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (colour[0], "PNG", {}),
        (colour[1], "JPEG", {"exif": exif}),
        (colour[2].quantize(16), "PNG", {"transparency": 3}),
        (colour[3].convert("CMYK"), "JPEG", {}),
        (clear, "PNG", {}),
        (clear.convert("LA"), "PNG", {}),
        (deep, "PNG", {}),
        (colour[5].convert("1"), "PNG", {}),
        (colour[6].convert("L"), "BMP", {}),
        (colour[7], "WEBP", {"lossless": True}),
        (colour[8], "TIFF", {"compression": "tiff_lzw"}),
        (colour[9].quantize(4), "GIF", {}),
    ]
    found = []
    for image, kind, how in written:
        buffer = io.BytesIO()
        image.save(buffer, kind, **how)
        found.append(buffer.getvalue())
    return found


def assert_same(one: ImageDataset, other: ImageDataset) -> None:
    assert one.sha256 == other.sha256
    assert (one.classes, one.levels, one.notes, one.own_splits) == (
        other.classes,
        other.levels,
        other.notes,
        other.own_splits,
    )
    for first, second in ((one.train, other.train), (one.test, other.test), (one.everything(), other.everything())):
        np.testing.assert_array_equal(np.asarray(first.pixels), np.asarray(second.pixels))
        np.testing.assert_array_equal(first.uint8(slice(1, 3)), second.uint8(slice(1, 3)))
        for field in ("labels", "order", "sizes"):
            np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
        for field in ("captions", "names"):
            assert list(getattr(first, field) or ()) == list(getattr(second, field) or ())


@pytest.mark.parametrize(("make", "options"), SETS)
def test_files_are_the_set_that_pixels_are(make: Any, options: dict[str, Any], tmp_path: Path) -> None:
    path = make(tmp_path)
    pixels = open_dataset(path, **options)
    files = open_dataset(path, pack="encoded", **options)
    assert isinstance(files.train.pixels, EncodedPixels) and not isinstance(pixels.train.pixels, EncodedPixels)
    assert_same(files, pixels)
    assert_same(open_dataset(path, pack="encoded", **options), pixels)


def test_files_of_all_kinds_are_one_set_in_every_container(tmp_path: Path) -> None:
    files = odd_files()
    names = [f"{index:02d}.png" for index in range(len(files))]  # whatever they are: the content says it
    (tmp_path / "folder").mkdir()
    for name, data in zip(names, files, strict=True):
        (tmp_path / "folder" / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in reversed(list(zip(names, files, strict=True))):
            archive.writestr(name, data)
    tar(tmp_path / "a-000000.tar", dict(zip(names[:5], files[:5], strict=True)))
    tar(tmp_path / "a-000001.tar", dict(zip(names[5:], files[5:], strict=True)))
    table(tmp_path / "a.parquet", {"image": structs(files)})
    paths = ["folder", "a.zip", "a-{000000..000001}.tar", "a.parquet"]
    sets = [open_dataset(str(tmp_path / path), pack=pack) for path in paths for pack in ("pixels", "encoded")]
    for each in sets[1:]:
        assert each.sha256 == sets[0].sha256
        np.testing.assert_array_equal(np.asarray(each.everything().pixels), np.asarray(sets[0].everything().pixels))
        np.testing.assert_array_equal(each.everything().order, sets[0].everything().order)


def test_images_of_several_sizes_are_kept_each_at_its_own(tmp_path: Path) -> None:
    path = photographs(tmp_path)
    pixels, files = (open_images(path, decoding="rgb", pack=pack) for pack in ("pixels", "encoded"))
    assert files.train.sizes is not None
    assert_same(files, pixels)


def test_the_files_themselves_are_kept_in_the_order_of_the_splits(tmp_path: Path, cache: Path) -> None:
    data = open_dataset(folder(tmp_path), pack="encoded", labels="folders")
    pack = cache / "data" / f"{data.sha256}-encoded"
    root = tmp_path / "photos"
    names = [root / name for name in data.everything().names or ()]
    assert (pack / "encoded.bin").read_bytes() == b"".join(name.read_bytes() for name in names)
    assert not (pack / "pixels.npy").exists()


def test_images_in_tar_files_stay_there(tmp_path: Path, cache: Path) -> None:
    path = shards(tmp_path)
    data = open_dataset(path, pack="encoded")
    pack = cache / "data" / f"{data.sha256}-encoded"
    assert (pack / "encoded.bin").stat().st_size == 0
    shard = tmp_path / "photos-000001.tar"
    shutil.copy(shard, tmp_path / "copy")
    shard.unlink()
    assert open_packed(pack, data.sha256) is None
    with pytest.raises(DataError, match=r"photos-000001\.tar can't be read"):
        data.everything().uint8(slice(None))
    (tmp_path / "copy").rename(shard)
    assert_same(open_dataset(path, pack="encoded"), open_dataset(path))


def test_a_tar_that_changes_while_it_is_read_gives_no_wrong_images(tmp_path: Path) -> None:
    data = open_dataset(shards(tmp_path), pack="encoded")
    shard = tmp_path / "photos-000001.tar"
    content = shard.read_bytes()
    shard.write_bytes(content.replace(FILES[5], FILES[0]) if len(FILES[5]) == len(FILES[0]) else content + b"more")
    os.utime(shard, ns=(1, 1))
    with pytest.raises(DataError, match=r"photos-000001\.tar can't be read: the file has changed since it was packed"):
        data.everything().uint8(slice(None))


def test_a_tar_that_changes_while_it_is_packed_is_refused(tmp_path: Path, cache: Path) -> None:
    path = shards(tmp_path)

    def changed(done: int, total: int) -> None:
        if done == total:
            with (tmp_path / "photos-000001.tar").open("ab") as file:
                file.write(b"more")

    with pytest.raises(DataError, match=r"photos-000001\.tar changed while it was packed"):
        open_dataset(path, pack="encoded", progress=changed)
    assert not [each for each in (cache / "data").iterdir() if each.name != "index"]


def test_what_is_read_outlives_the_cache(tmp_path: Path, cache: Path) -> None:
    path = zipped(tmp_path)
    data, expected = open_dataset(path, pack="encoded"), open_dataset(path).everything().uint8(slice(None))
    shutil.rmtree(cache / "data")
    np.testing.assert_array_equal(data.everything().uint8(slice(None)), expected)


def test_a_description_decodes_a_few_images_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_dataset(zipped(tmp_path), pack="encoded")
    monkeypatch.setattr(facts, "_ROWS", 2)
    made: list[Any] = []
    held: list[int] = []
    read = EncodedPixels._read

    def watched(self: Any, places: list[int]) -> Any:
        held.append(sum(each() is not None for each in made))
        found = read(self, places)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(EncodedPixels, "_read", watched)
    assert describe_dataset(data).values == (0, 255)
    assert len(held) == COUNT // 2 and max(held) <= 1


def test_a_division_that_is_mended_keeps_each_image_with_its_file(tmp_path: Path) -> None:
    for name, files in (("one", FILES[:2]), ("two", FILES[:3])):
        made = {f"{NAMES[index]}.png": data for index, data in enumerate(files)}
        path = tar(tmp_path / f"{name}.tar", made)
        assert_same(open_dataset(path, pack="encoded"), open_dataset(path))
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for each, data in made.items():
                archive.writestr(each, data)
        assert_same(open_dataset(tmp_path / f"{name}.zip", pack="encoded"), open_dataset(path))


def test_nothing_is_decoded_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path)
    open_dataset(path, pack="encoded")
    read: list[str] = []
    decode = encoded.Rules.decoded

    def counted(self: Any, file: Any, name: str) -> Any:
        read.append(name)
        return decode(self, file, name)

    monkeypatch.setattr(encoded.Rules, "decoded", counted)
    data = open_dataset(path, pack="encoded")
    assert data.train.pixels.nbytes == 8 * 3 * 8 * 8 and data.info().shape == (3, 8, 8)
    assert not read
    data.test.images(np.array([2, 0, 2]))
    assert len(read) == 3


def test_it_is_indexed_as_an_array_is(tmp_path: Path) -> None:
    path = arrays(tmp_path)
    whole = np.asarray(open_dataset(path).everything().pixels)
    lazy: Any = open_dataset(path, pack="encoded").everything().pixels
    places = np.array([5, 0, -1, 5])
    for key in (3, -1, np.int64(2), slice(4, 9), slice(None, None, -7), places, [1, 2], whole[:, 0, 0, 0] > 99):
        np.testing.assert_array_equal(lazy[key], whole[key])
    for key in ((3, 0), (slice(2, 5), slice(None), 1), (places, slice(0, 2)), (np.array([], np.int64),)):
        np.testing.assert_array_equal(lazy[key], whole[key])
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy), lazy.size) == (whole.shape, whole.dtype, 4, 30, whole.size)
    np.testing.assert_array_equal(np.stack(list(lazy)), whole)
    np.testing.assert_array_equal(lazy.part(slice(5, 20)).part(slice(-3, None))[:], whole[17:20])
    for wrong in (30, -31, np.array([30])):
        with pytest.raises(IndexError):
            lazy[wrong]


def test_other_versions_of_what_decodes_pack_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path)
    first = open_dataset(path, pack="encoded")
    monkeypatch.setattr(encoded, "PIL", SimpleNamespace(__version__="99"))
    packed: list[int] = []
    again = open_dataset(path, pack="encoded", progress=lambda done, total: packed.append(done))
    assert packed[-1:] == [COUNT]
    assert_same(again, first)
    open_dataset(path, pack="encoded", progress=lambda done, total: packed.append(done))
    assert len(packed) == COUNT


@pytest.mark.parametrize("name", ["encoded.bin", "places.npy", "meta.json"])
def test_a_flip_is_said_and_packs_again(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = zipped(tmp_path)
    first = open_dataset(path, pack="encoded")
    expected = np.asarray(first.everything().pixels)
    file = cache / "data" / f"{first.sha256}-encoded" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    again = open_dataset(path, pack="encoded")
    assert "is damaged, and packed again" in caplog.text
    np.testing.assert_array_equal(np.asarray(again.everything().pixels), expected)


def test_where_pixels_find_no_room_files_are_proposed_and_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="keep the images encoded by --pack encoded"):
        open_dataset(path)
    assert len(open_dataset(path, pack="encoded").everything()) == COUNT


def test_channels_that_no_file_has_are_refused() -> None:
    with pytest.raises(DataError, match="given has images of 4 channels, .* leave out --pack encoded"):
        encoded.encode(np.zeros((4, 2, 2), np.uint8), "given")


def test_another_way_of_packing_is_refused() -> None:
    with pytest.raises(UsageError, match="pack 'raw' is neither 'pixels' nor 'encoded'"):
        open_dataset("digits", pack="raw")  # type: ignore[arg-type]


def test_a_forked_process_decodes_with_threads_of_its_own(tmp_path: Path) -> None:
    data = open_dataset(zipped(tmp_path), pack="encoded").everything()
    expected = data.uint8(slice(None)).tobytes()
    child = os.fork()
    if child == 0:
        os._exit(data.uint8(slice(None)).tobytes() != expected)
    assert os.waitpid(child, 0)[1] == 0
