"""Hostile images and archives: damaged ones, bombs, ones that lie about what they hold, and what is no file at all."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import random
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attacks.trying import Trial
from attacks.world import check, comparison, evaluation, photographs

NAME = "archives"


def attack(trial: Trial) -> None:
    """Give a hostile file to be read, as a data set of its own or among good images."""
    os.environ["GENKIT_CACHE"] = str(trial.folder / "cache")
    makers = (
        _damaged_copy, _scans, _repeated, _damaged_copy, _zip, _npz, _npy, _png, _tar, _tar, _gzip, _image, _special, _statistics, _weights,
        _labels, _listed, _rows,
    )  # fmt: skip
    makers[trial.number % len(makers)](trial)


def _read(trial: Trial, reference: str, *options: str) -> None:
    """Look at a data set, and compare it with the good one; the reading must end and say what is wrong."""
    trial.genkit("datasets", "show", reference, *options)
    if trial.rng.random() < 0.5:
        options = (*options, "--skip-bad")
    trial.genkit(*comparison(reference, trial.world.data), *options)


# --- what has checksums: a damaged copy gives the same numbers, or a word ---


def _damaged_copy(trial: Trial) -> None:
    """A byte changes in a zip, an npz or a PNG, all of which hold checksums of their content."""
    rng = trial.rng
    photos, kind = trial.folder / "photos", rng.choice(("png", "zip", "stored zip", "npz"))
    shutil.copytree(trial.world.photos, photos)
    files = sorted(photos.iterdir())
    if kind == "png":
        path, reference = rng.choice(files), photos
    else:
        reference = path = trial.folder / ("photos.npz" if kind == "npz" else "photos.zip")
        if kind == "npz":
            np.savez(path, images=np.stack([np.asarray(Image.open(each)) for each in files]))
        else:
            with zipfile.ZipFile(
                path, "w", zipfile.ZIP_STORED if "stored" in kind else zipfile.ZIP_DEFLATED
            ) as archive:
                for each in files:
                    archive.write(each, each.name)
    data = bytearray(path.read_bytes())
    size, place = len(data), rng.randrange(len(data))
    how = rng.choice(("bit", "byte", "cut", "zeros"))
    if how == "bit":
        data[place] ^= 1 << rng.randrange(8)
    elif how == "byte":
        data[place] = rng.randrange(256)
    elif how == "cut":
        del data[place:]
    else:
        data[place : place + 16] = bytes(len(data[place : place + 16]))
    trial.did(f"{kind}: {how} at {place} of {size}")
    path.write_bytes(data)
    check(trial, trial.genkit(*comparison(reference, trial.world.data)), "compare")


# --- zips and npz ---


def hostile_zip(path: Path, rng: random.Random) -> str:
    """Change a zip, or write another in its place, and say how."""
    members = []
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    kind = rng.choice(
        ("flip", "flip", "cut", "bomb", "size", "climb", "absolute", "twice", "escape", "link", "many", "crypt", "nested",
         "long", "comment", "big entry")
    )  # fmt: skip
    if kind in ("flip", "cut", "size", "crypt"):
        data = bytearray(path.read_bytes())
        if kind in ("flip", "cut"):
            _damage(data, rng, kind)
        else:
            _lie(data, rng, crypt=kind == "crypt")
        path.write_bytes(data)
        return kind
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in members:
            if kind == "bomb":
                _zeros(archive, name, 3 << 29)
                kind = "bomb of 1.6 GB"
                continue
            archive.writestr(name, each)
        hostile = {
            "climb": "../../climbed.png",
            "absolute": "/tmp/attack-absolute.png",
            "twice": members[0][0],
            "escape": "\x1b[31m\u202egnp.png",
            "long": "a/" * 2000 + "x.png",
            "link": "link.png",
        }.get(kind)
        if hostile is not None:
            info = zipfile.ZipInfo(hostile)
            if kind == "link":
                info.external_attr = 0o120777 << 16
            archive.writestr(info, b"/etc/passwd" if kind == "link" else members[0][1])
        elif kind == "many":
            for number in range(20_000):
                archive.writestr(f"{number}.txt", b"")
        elif kind == "nested":
            archive.write(__file__, "inner.zip")
        elif kind == "comment":
            archive.comment = b"PK\x05\x06" + rng.randbytes(200)
        elif kind == "big entry":
            _zeros(archive, "big.png", 1 << 30)
    return kind


def _zeros(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """Write a member that unpacks to zeros."""
    block = bytes(1 << 24)
    with archive.open(name, "w", force_zip64=True) as file:
        for _ in range(size >> 24):
            file.write(block)


def _damage(data: bytearray, rng: random.Random, kind: str) -> None:
    """Change one to five bytes ("flip"), or cut off the end ("cut")."""
    if kind == "cut":
        del data[rng.randrange(len(data)) :]
        return
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _lie(data: bytearray, rng: random.Random, *, crypt: bool) -> None:
    """Change the sizes in a zip's directory, or say that members are encrypted."""
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        if crypt:
            data[at + 8] |= 1
        else:
            struct.pack_into("<I", data, at + rng.choice((20, 24)), rng.choice((0, 1, 1 << 20, 1 << 31, 0xFFFFFFFE)))
        at += 4


def _zip(trial: Trial) -> None:
    path = trial.folder / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each in sorted(trial.world.photos.iterdir()):
            archive.write(each, each.name)
    trial.did(f"zip: {hostile_zip(path, trial.rng)}")
    _read(trial, str(path))


def _npz(trial: Trial) -> None:
    rng, path = trial.rng, trial.folder / "data.npz"
    kind = rng.choice(("zip", "header", "labels bomb", "object", "classes bomb", "two", "odd", "images bomb"))
    images = rng.randbytes(24 * 64)
    array = np.frombuffer(images, np.uint8).reshape(24, 8, 8)
    if kind == "zip":
        np.savez(path, images=array, labels=np.arange(24))
        kind += f" {hostile_zip(path, rng)}"
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", npy(array) if kind != "header" else hostile_npy(rng)[1])
            if kind == "labels bomb":
                _claimed(archive, "labels.npy", "<i8", rng.choice(((24,), (1 << 27,))), 1 << 30)
            elif kind == "classes bomb":
                _claimed(archive, "classes.npy", "<U1000000", (256,), 1 << 30)
                archive.writestr("labels.npy", npy(np.arange(24)))
            elif kind == "object":
                archive.writestr("labels.npy", npy_header("|O", (24,)) + b"cos\nsystem\n(S'true'\ntR.")
            elif kind == "two":
                archive.writestr("x_train.npy", npy(array))
            elif kind == "odd":
                archive.writestr("labels.npy", hostile_npy(rng)[1])
        if kind == "images bomb":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                _claimed(archive, "images.npy", "|u1", (1, 32768, 32768), 1 << 30)
    trial.did(f"npz: {kind}")
    _read(trial, str(path))


def _claimed(archive: zipfile.ZipFile, name: str, descr: str, shape: tuple[int, ...], size: int) -> None:
    """Write an array of zeros of so many bytes, whatever its header claims."""
    with archive.open(name, "w", force_zip64=True) as file:
        file.write(npy_header(descr, shape))
        for _ in range(size >> 24):
            file.write(bytes(1 << 24))


def npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file."""
    return _raw_header(repr({"descr": descr, "fortran_order": False, "shape": shape}))


def _raw_header(text: str) -> bytes:
    data = text.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(data)) + data


def hostile_npy(rng: random.Random) -> tuple[str, bytes]:
    """Return what is wrong with a .npy file, and its bytes."""
    array = np.frombuffer(rng.randbytes(24 * 64), np.uint8).reshape(24, 8, 8)
    texts = {
        "huge": repr({"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1 << 20, 8)}),
        "negative": repr({"descr": "|u1", "fortran_order": False, "shape": (-24, 8, 8)}),
        "long shape": repr({"descr": "|u1", "fortran_order": False, "shape": (1,) * 3000}),
        "object": repr({"descr": "|O", "fortran_order": False, "shape": (24, 8, 8)}),
        "record": repr({"descr": [("a", "|u1"), ("\x1b[31m", "<f8")], "fortran_order": False, "shape": (24, 8, 8)}),
        "deep": "(" * 9000 + ")" * 9000,
        "call": "{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,)}",
        "no shape": repr({"descr": "|u1", "fortran_order": False}),
        "text shape": repr({"descr": "|u1", "fortran_order": "x", "shape": "(24, 8, 8)"}),
        "float shape": repr({"descr": "|u1", "fortran_order": False, "shape": (24.0, True, 8)}),
        "wide": repr({"descr": "<U99999999", "fortran_order": False, "shape": (24,)}),
        "time": repr({"descr": "<M8[ns]", "fortran_order": False, "shape": (24, 8, 8)}),
        "big digits": "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 6000 + ",)}",
    }
    kind = rng.choice((*texts, "flip", "flip", "flip", "cut", "nan", "complex", "longdouble"))
    if kind in texts:
        return kind, _raw_header(texts[kind]) + array.tobytes()
    if kind in ("nan", "complex", "longdouble"):
        kinds = {"nan": np.float32, "complex": np.complex64, "longdouble": np.longdouble}
        values = (array / 255).astype(kinds[kind])
        values[3, 3, 3] = np.nan
        return kind, npy(values)
    data = bytearray(npy(array))
    if kind == "cut":
        return kind, bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(128)] = rng.randrange(256)
    return kind, bytes(data)


def _npy(trial: Trial) -> None:
    kind, data = hostile_npy(trial.rng)
    trial.did(f"npy: {kind}")
    path = trial.folder / "data.npy"
    path.write_bytes(data)
    _read(trial, str(path))


# --- pictures ---


def png(width: int, height: int, depth: int, colour: int, data: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks, whatever they hold."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each)) for kind, each in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _packed_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def _png(trial: Trial) -> None:
    """One PNG among good ones is a bomb, lies, or has odd chunks."""
    rng = trial.rng
    kinds: dict[str, Callable[[], bytes]] = {
        "16-bit bomb": lambda: png(13000, 13000, 16, 2, _packed_zeros(256 << 20)),
        "wide": lambda: png(2**31 - 1, 2**31 - 1, 8, 0, zlib.compress(bytes(100))),
        "line": lambda: png(170_000_000, 1, 8, 0, zlib.compress(bytes(100))),
        "short": lambda: png(8, 8, 8, 0, zlib.compress(bytes(10))),
        "long": lambda: png(8, 8, 8, 0, _packed_zeros(128 << 20)),
        "zero": lambda: png(0, 0, 8, 0, zlib.compress(b"")),
        "depth": lambda: png(8, 8, rng.randrange(256), rng.randrange(256), zlib.compress(bytes(1000))),
        "text bomb": lambda: png(8, 8, 8, 0, zlib.compress(bytes(72)), (b"zTXt", b"a\0\0" + _packed_zeros(128 << 20))),
        "profile": lambda: png(8, 8, 8, 0, zlib.compress(bytes(72)), (b"iCCP", b"a\0\0" + _packed_zeros(64 << 20))),
        "palette": lambda: png(8, 8, 8, 3, zlib.compress(bytes([0, *range(8)]) * 8), (b"PLTE", b"\1\2\3")),
        "frames": lambda: png(
            8, 8, 8, 0, zlib.compress(bytes(72)), (b"acTL", struct.pack(">II", 2**31 - 1, 0)), (b"fcTL", bytes(26))
        ),
        "transparent": lambda: png(8, 8, 8, 0, zlib.compress(bytes(72)), (b"tRNS", rng.randbytes(9))),
        "gamma": lambda: png(8, 8, 8, 0, zlib.compress(bytes(72)), (b"gAMA", bytes(4)), (b"eXIf", rng.randbytes(40))),
    }
    kind = rng.choice(sorted(kinds))
    trial.did(f"png: {kind}")
    folder = trial.folder / "photos"
    photographs(folder, 10)
    (folder / "05.png").write_bytes(kinds[kind]())
    _read(trial, str(folder))


def _image(trial: Trial) -> None:
    """Some image of a format is damaged at several places, or named as another."""
    rng, folder = trial.rng, trial.folder / "photos"
    photographs(folder, 8)
    suffix = rng.choice(("jpg", "webp", "bmp", "gif", "tif", "ppm", "pgm", "jp2", "png"))
    buffer = io.BytesIO()
    formats = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "jp2": "JPEG2000"}
    pixels = np.frombuffer(rng.randbytes(192), np.uint8).reshape(8, 8, 3)
    Image.fromarray(pixels).save(buffer, formats.get(suffix, suffix.upper()))
    data = bytearray(buffer.getvalue())
    for _ in range(rng.randrange(1, 12)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.3:
        del data[rng.randrange(1, len(data)) :]
    trial.did(f"image: {suffix}")
    (folder / f"x.{suffix}").write_bytes(data)
    _read(trial, str(folder))


def _scans(trial: Trial) -> None:
    """A JPEG with a scan of a few bytes very many times, each of which goes over all pixels."""
    side, times = trial.rng.choice((16, 4000, 8000)), trial.rng.choice((50, 1000, 20_000))
    buffer, folder = io.BytesIO(), trial.folder / "photos"
    Image.new("L", (side, side), 77).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    between = trial.rng.choice((b"", b"\xff\xfe\x00\x04\xff\xd9", b"\xff\xff", b"\xff\xd0"))
    trial.did(f"jpeg: {side} x {side}, {times} scans, {between!r}")
    photographs(folder, 4)
    (folder / "x.jpg").write_bytes(data[:last] + (between + data[last:-2]) * times + data[-2:])
    _read(trial, str(folder), "--size", "8", "--grey")


# --- features, tar, gzip, what is no file, statistics and weights ---


def _repeated(trial: Trial) -> None:
    """Features in a file of PyTorch, whose rows are one row, or which is no plain tensor."""
    import torch

    rng = trial.rng
    row = torch.ones(1, 64)
    kinds: dict[str, Callable[[], Any]] = {
        "expanded": lambda: row.expand(rng.choice((10**5, 10**8, 10**12)), 64),
        "overlapping": lambda: torch.as_strided(row, (10**7, 64), (0, 1)),
        "halves": lambda: {"features": row.half().expand(10**8, 64), "other": row},
        "many": lambda: {f"x{number}": row for number in range(20_000)},
        "sparse": lambda: torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (10**6, 2048)),
        "complex": lambda: torch.ones(30, 64, dtype=torch.complex64),
        "meta": lambda: torch.ones(30, 64, device="meta"),
        "nested": lambda: [[row]],
    }
    kind = rng.choice(sorted(kinds))
    trial.did(f"features: {kind}")
    for name in ("a", "b"):
        torch.save(kinds[kind](), trial.folder / f"{name}.pt")
    files = (str(trial.folder / f"{name}.pt") for name in "ab")
    trial.genkit("compare", *files, "--features", "given", "--metrics", "fid", "--runs", "compared", "--json")


def _listed(trial: Trial) -> None:
    """A zip whose directory lists more members than memory holds."""
    members = trial.rng.choice((1_800_000, 2_500_000))
    comment, room = bytes(trial.rng.choice((0, 20))), trial.rng.choice((0, 30))
    entry = b"PK\1\2" + struct.pack("<4B4HL2L5H2L", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 4, 0, len(comment), 0, 0, 0, 0)
    size = members * (len(entry) + 4 + len(comment))
    path = trial.folder / "photos.zip"
    with path.open("wb") as file:
        file.seek(room * members)  # a hole, where the members themselves would be
        for _ in range(100):
            file.write((entry + b"name" + comment) * (members // 100))
        file.write(b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 65535, 65535, size, room * members & 0xFFFFFFFF, 0))
    trial.did(f"a zip that lists {members:,} members, with {room} bytes for each")
    _read(trial, str(path))


def _rows(trial: Trial) -> None:
    """A small parquet file that unpacks to gigabytes: by a dictionary, by prefixes, or by compression."""
    import pyarrow
    from pyarrow import parquet

    rng = trial.rng
    kind = rng.choice(("a dictionary", "prefixes", "zeros", "captions"))
    value = rng.randbytes(10 << 20) if kind in ("a dictionary", "prefixes") else bytes(10 << 20)
    how: dict[str, Any] = {"dictionary_pagesize_limit": 1 << 30}
    if kind in ("prefixes", "zeros"):
        how = {"compression": "zstd", "use_dictionary": False}
    if kind == "prefixes":
        how["column_encoding"] = {"image": "DELTA_BYTE_ARRAY"}
    image = next(trial.world.photos.iterdir()).read_bytes()
    columns = {"image": pyarrow.array([image if kind == "captions" else value] * 5, pyarrow.binary())}
    if kind == "captions":
        columns["text"] = pyarrow.array(["word " * (2 << 20)] * 5)
    times = rng.choice((20, 60))
    table = pyarrow.table({name: pyarrow.chunked_array([column] * times) for name, column in columns.items()})
    path = trial.folder / "photos.parquet"
    parquet.write_table(table, path, row_group_size=len(table), **how)
    trial.did(f"a parquet file of {path.stat().st_size:,} bytes: {kind}")
    _read(trial, str(path))


def _tar(trial: Trial) -> None:
    rng, path = trial.rng, trial.folder / "photos.tar"
    good = [each.read_bytes() for each in sorted(trial.world.photos.iterdir())]
    kind = rng.choice(
        ("flip", "flip", "cut", "names", "link", "device", "sparse", "pax", "gzip", "size", "json bomb", "cls", "twice")
    )
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for number, data in enumerate(good):
            _add(archive, f"{number:04}.png", data)
            _add(archive, f"{number:04}.cls", str(number % 3).encode() if kind != "cls" else rng.randbytes(5))
            if kind == "twice":
                _add(archive, f"{number:04}.png", data)
        if kind == "names":
            for name in (
                "../../climbed.png",
                "/tmp/attack.png",
                "\x1b[31m.png",
                "a" * 5000 + ".png",
                "\udcff.png",
                ".png",
            ):
                _add(archive, name, good[0])
        elif kind in ("link", "device"):
            info = tarfile.TarInfo("9999.png")
            info.type = tarfile.SYMTYPE if kind == "link" else tarfile.CHRTYPE
            info.linkname, info.devmajor, info.devminor = "/etc/passwd", 1, 5
            archive.addfile(info)
        elif kind == "pax":
            info = tarfile.TarInfo("9999.png")
            info.size = len(good[0])
            info.pax_headers = {"size": rng.choice(("-1", "9" * 30, "x")), "path": "x\0y", "GNU.sparse.map": "0,1,x"}
            archive.addfile(info, io.BytesIO(good[0]))
        elif kind == "json bomb":
            _add(archive, "0000.json", b"[" * 200_000)
            _add(archive, "0001.json", json.dumps({"label": "x" * 10**6, "cls": {}}).encode())
    data = bytearray(path.read_bytes())
    if kind in ("flip", "cut"):
        _damage(data, rng, kind)
    elif kind in ("size", "sparse"):
        data[124:136] = rng.choice((b"77777777777\0", b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"-0000000001\0"))
        if kind == "sparse":
            data[156:157] = b"S"
        data[148:156] = b"%06o\0 " % sum(data[:148] + b" " * 8 + data[156:512])
    elif kind == "gzip":
        path = path.with_suffix(".tar.gz")
        data = bytearray(gzip.compress(bytes(data)))
    trial.did(f"tar: {kind}")
    path.write_bytes(data)
    _read(trial, str(path))


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _gzip(trial: Trial) -> None:
    """A hostile file in the place of MNIST's or another published set's."""
    rng, root = trial.rng, trial.folder / "root"
    (root / "mnist").mkdir(parents=True)
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    kind = rng.choice(("bomb", "cut", "flip", "header", "plain", "bz2", "many"))
    idx = b"\0\0\x08\x03" + struct.pack(">III", 60_000, 28, 28) + bytes(1000)
    good = gzip.compress(idx)
    if kind == "bomb":
        data = gzip.compress(bytes(1 << 24), 9) * 100
    elif kind == "cut":
        data = good[: rng.randrange(len(good))]
    elif kind == "flip":
        changed = bytearray(good)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        data = bytes(changed)
    elif kind == "header":
        data = gzip.compress(b"\0\0\x08" + rng.randbytes(40))
    elif kind == "many":
        data = gzip.compress(b"") * 50_000
    else:
        data = idx if kind == "plain" else bz2.compress(idx)
    trial.did(f"gzip: {kind}")
    for name in names:
        (root / "mnist" / f"{name}.gz").write_bytes(data)
    call = trial.genkit("datasets", "show", "mnist", "--data-root", str(root))
    if call.code == 0:
        trial.complain("a file that is not MNIST's was taken for MNIST")


def _special(trial: Trial) -> None:
    """A pipe, a device, a link to itself or a folder where a file is expected."""
    rng = trial.rng
    suffix = rng.choice((".npz", ".npy", ".zip", ".tar", ".png", ".parquet"))
    folder = trial.folder / "photos"
    photographs(folder, 4)
    path = folder / f"x{suffix}"
    kind = rng.choice(("pipe", "zero", "random", "loop", "folder", "sparse", "empty", "forbidden", "memory"))
    trial.did(f"{suffix} is {kind}")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind in ("zero", "random"):
        path.symlink_to(f"/dev/{'u' if kind == 'random' else ''}{kind}")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate((1 << 30) - 1)
    elif kind == "empty":
        path.touch()
    elif kind == "forbidden":
        path.touch(0)
    else:
        path.symlink_to("/proc/self/mem")
    _read(trial, str(folder if suffix == ".png" else path))


def _statistics(trial: Trial) -> None:
    """A file of mu and sigma as the reference."""
    rng, path = trial.rng, trial.folder / "stats.npz"
    size = rng.choice((64, 64, 3, 1))
    mu, sigma = np.zeros(size), np.eye(size)
    kind = rng.choice(("nan", "negative", "shape", "object", "complex", "bomb", "text", "zip", "huge", "asymmetric"))
    if kind == "nan":
        sigma[0, 0] = rng.choice((np.nan, np.inf))
    elif kind == "negative":
        sigma *= -1
    elif kind == "shape":
        sigma = sigma[:, :-1] if size > 1 else np.zeros(0)
    elif kind == "complex":
        sigma = sigma * 1j
    elif kind == "text":
        mu = np.array(["x"] * size)
    elif kind == "huge":
        sigma = sigma * 1e308
    elif kind == "asymmetric":
        sigma[0, -1] += 5
    np.savez(path, mu=mu, sigma=sigma)
    if kind == "zip":
        kind += f" {hostile_zip(path, rng)}"
    elif kind in ("bomb", "object"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mu.npy", npy(mu))
            if kind == "bomb":
                _claimed(archive, "sigma.npy", "<f8", (11585, 11585), 1 << 30)
            else:
                archive.writestr("sigma.npy", npy_header("|O", (64, 64)) + b"cos\nsystem\n(S'true'\ntR.")
    trial.did(f"statistics: {kind}")
    arguments = ("compare", str(trial.world.photos), str(path), "--metrics", "fid", "--features", "random-conv")
    trial.genkit(*arguments, "--runs", "compared", "--json")


def _weights(trial: Trial) -> None:
    """A hostile safetensors file as weights, or as a checkpoint."""
    rng = trial.rng
    checkpoint = sorted((trial.world.folder / "runs").glob("*/*/*/checkpoints/*.safetensors"))[0]
    data = checkpoint.read_bytes()
    length = int.from_bytes(data[:8], "little")
    kind = rng.choice(("length", "deep", "cut", "overlap", "random", "dtype", "pickle", "many"))
    if kind == "length":
        data = struct.pack("<Q", rng.choice((0, 1, length + 1, 99_999_999, 2**63, 2**64 - 1))) + data[8:]
    elif kind in ("overlap", "dtype", "many"):
        header = json.loads(data[8 : 8 + length])
        name = next(each for each, entry in header.items() if entry.get("dtype") == "F32")
        if kind == "overlap":
            header[name]["data_offsets"] = [0, rng.choice((0, 4, 2**62))]
        elif kind == "dtype":
            header[name]["dtype"] = rng.choice(("F8_E4M3", "X", "BOOL", "I64"))
        else:
            header.update({f"x{number}": header[name] for number in range(10_000)})
        text = json.dumps(header).encode()
        data = struct.pack("<Q", len(text)) + text + data[8 + length :]
    elif kind == "deep":
        data = struct.pack("<Q", 100_000) + b"[" * 100_000
    elif kind == "cut":
        data = data[: rng.randrange(len(data))]
    elif kind == "random":
        data = rng.randbytes(1000)
    else:
        data = b"\x80\x04cos\nsystem\n(S'true'\ntR."
    trial.did(f"weights: {kind}")
    path = trial.folder / f"w.{'pt' if kind == 'pickle' else 'safetensors'}"
    path.write_bytes(data)
    features = "inception"
    arguments = ("compare", str(trial.world.photos), str(trial.world.data), "--features", features, "--metrics", "fid")
    call = trial.genkit(*arguments, "--weights", str(path), "--runs", "compared", "--json")
    if call.code == 0:
        trial.complain(f"hostile weights were taken: {call.err.strip()[:100]}")
    run = trial.world.copied(trial.folder / "copy")
    newest = sorted(run.glob("checkpoints/*.safetensors"))[-1]
    newest.write_bytes(data)
    call = trial.genkit(*evaluation(run))
    if call.code == 0:
        trial.complain("a hostile checkpoint was measured")


def _labels(trial: Trial) -> None:
    """A hostile file of labels beside good images."""
    rng, folder = trial.rng, trial.folder / "photos"
    photographs(folder, 8)
    rows = [f"{number:02}.png,{number % 2}" for number in range(8)]
    kind = rng.choice(
        ("nul", "long", "quotes", "deep", "binary", "formula", "escape", "bom", "fewer", "json", "device")
    )
    suffix = "json" if kind in ("deep", "json") else "csv"
    path = trial.folder / f"labels.{suffix}"
    data = {
        "nul": "\n".join(rows).replace("0", "\0", 3),
        "long": "file,label\n" + ",".join("x" * 10 for _ in range(200_000)),
        "quotes": 'file,label\n"00.png,"' + "\n".join(rows),
        "deep": '{"labels": ' + "[" * 100_000,
        "binary": "",
        "formula": "file,label\n" + "\n".join(f"{number:02}.png,=cmd|' /C calc'!A{number % 2}" for number in range(8)),
        "escape": "file,label\n" + "\n".join(f"{number:02}.png,\x1b[31m{number % 2}\u202e" for number in range(8)),
        "bom": "\ufefffile,label\n" + "\n".join(rows),
        "fewer": "file,label\n" + "\n".join(rows[:3]),
        "json": json.dumps({"labels": [[f"{number:02}.png", {"a": [None]}] for number in range(8)]}),
        "device": "",
    }[kind].encode("utf-8", "surrogateescape")
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(rng.randbytes(300) if kind == "binary" else data)
    trial.did(f"labels: {kind}")
    trial.genkit("datasets", "show", str(folder), "--labels", str(path))
    trial.genkit("datasets", "show", str(folder), "--labels", str(path), "--json")
