from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from genkit.data import open_dataset, published
from genkit.errors import DataError, MissingError

RNG = np.random.default_rng(3)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served on this machine, the second mirror after one that does not answer."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    mirrors = ("http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(published, "FASHION_MIRRORS", mirrors)
    monkeypatch.setattr(published, "CIFAR_MIRRORS", mirrors)
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def idx(values: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_fashion(folder: Path) -> dict[str, bytes]:
    images = RNG.integers(0, 256, (14, 28, 28), dtype=np.uint8)
    labels = (np.arange(14) % 10).astype(np.uint8)
    arrays = (images[:10], labels[:10], images[10:], labels[10:])
    files = {name: gzip.compress(idx(array)) for name, array in zip(published.FASHION_FILES, arrays, strict=True)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


def write_cifar(folder: Path, name: str, inside: str) -> np.ndarray:
    about = published.CIFAR[name]
    images = RNG.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)

    def record(index: int) -> bytes:
        return bytes([7, index % 3][-about.labels :]) + images[index].tobytes()

    train = dict.fromkeys(about.train, b"")
    for index in range(4):
        train[about.train[index % len(about.train)]] += record(index)
    members = {about.test: record(4) + record(5), **train, about.names: b"cat\ndog\neel\n\n"}
    with tarfile.open(folder / about.archive, "w:gz") as archive:
        for each, data in members.items():
            info = tarfile.TarInfo(f"{inside}/{each}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return images


def test_fashion_mnist_is_downloaded_from_a_mirror_and_checked(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_fashion(mirror)
    with pytest.raises(MissingError, match="fashion-mnist's train-images.* its content has another sha256"):
        open_dataset("fashion-mnist")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(published, "FASHION_FILES", hashes)
    data = open_dataset("fashion-mnist")
    assert (len(data.train), len(data.test), data.info().shape) == (10, 4, (1, 28, 28))
    assert data.classes[1] == "Trouser"
    assert data.train.labels is not None
    assert data.train.labels.tolist() == list(range(10))


@pytest.mark.parametrize(("name", "inside"), [("cifar10", "cifar-10-batches-bin"), ("cifar100", "cifar-100-binary")])
def test_cifar_is_read_from_its_binary_archive(
    mirror: Path, monkeypatch: pytest.MonkeyPatch, name: str, inside: str
) -> None:
    images = write_cifar(mirror, name, inside)
    about = published.CIFAR[name]
    sha256 = hashlib.sha256((mirror / about.archive).read_bytes()).hexdigest()
    monkeypatch.setitem(published.CIFAR, name, replace(about, sha256=sha256))
    data = open_dataset(name)
    assert data.classes == ("cat", "dog", "eel")
    assert np.array_equal(data.train.pixels, images[:4])
    assert np.array_equal(data.test.pixels, images[4:])
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [0, 1, 2, 0]


def test_the_data_root_comes_first_and_another_file_of_that_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "CIFAR_MIRRORS", ("http://127.0.0.1:9/",))
    write_cifar(tmp_path, "cifar10", "x")
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is not the published file of cifar10"):
        open_dataset("cifar10", data_root=tmp_path)
    about = published.CIFAR["cifar10"]
    sha256 = hashlib.sha256((tmp_path / about.archive).read_bytes()).hexdigest()
    monkeypatch.setitem(published.CIFAR, "cifar10", replace(about, sha256=sha256))
    assert len(open_dataset("cifar10", data_root=tmp_path).train) == 4


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100"])
def test_offline_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(published, "FASHION_MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(published, "CIFAR_MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(MissingError, match=rf"{name}'s .* is not on this machine .*put the file with sha256"):
        open_dataset(name)
    with pytest.raises(MissingError, match=rf"; the data root {tmp_path} does not have it either$"):
        open_dataset(name, data_root=tmp_path)
