"""Memory and time of packing and opening many tiny images, in a folder and in a zip. Goals: see GOALS below.

uv run python benchmarks/scale/packing.py                   1,000,000 images (some 5 GB of disk, an hour)
uv run python benchmarks/scale/packing.py --count 20000     a minute
uv run python benchmarks/scale/packing.py --captions        each image has a caption in a text file of its own

The images are random PNG files of 8x8 grey pixels, each of its own; in the zip they are in no order. Each opening is a
process of its own, and its memory that of all its processes together, looked at 20 times a second; pages of mapped files,
which the system drops when it needs memory, do not count. The processes that decode are started with the first image, so
that 10,000 images have them, too. Reopening comes right after packing, so what the system knows of the files is warm.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SMALL = 10_000
GOALS = {"memory": 200e6, "folder": 15.0, "zip": 1.0}
"""Bytes above those of 10,000 images that packing takes, and seconds of reopening the folder and the zip."""

SIDE = 8


def pictures(count: int, *, captions: bool) -> Iterator[tuple[str, bytes]]:
    """Yield names and PNG files, each with its caption if there are any."""
    head = _chunk(b"IHDR", struct.pack(">2L5B", SIDE, SIDE, 8, 0, 0, 0, 0))
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    rows = np.zeros((SIDE, SIDE + 1), np.uint8)
    for index in range(count):
        rows[:, 1:] = pixels[index]
        body = head + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + _chunk(b"IEND", b"")
        yield f"image-{index:08d}.png", b"\x89PNG\r\n\x1a\n" + body
        if captions:
            yield f"image-{index:08d}.txt", f"noise number {index} of many, in shades of grey".encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def written_folder(path: Path, count: int, *, captions: bool) -> Path:
    path.mkdir()
    for name, data in pictures(count, captions=captions):
        (path / name).write_bytes(data)
    return path


def written_zip(path: Path, count: int, *, captions: bool) -> Path:
    files = list(pictures(count, captions=captions))
    with zipfile.ZipFile(path, "w") as archive:
        for place in np.random.default_rng(1).permutation(len(files)):
            archive.writestr(*files[place])
    return path


def measured(command: list[str], cache: Path) -> dict[str, Any]:
    """Run a command that prints JSON; return it with the most memory that its processes had together."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "GENKIT_CACHE": str(cache)}
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(memory, family(process.pid))))
        time.sleep(0.05)
    assert process.stdout is not None
    found = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return {**json.loads(found.splitlines()[-1]), "memory": most}


def family(pid: int) -> list[int]:
    """Return a process and those that it started; one that is just being started still has its parent's memory."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                children = list(map(int, task.read_text().split()))
                found += [child for child in children if command_line(child) != command_line(each)]
            except OSError:  # it ended
                continue
    return found


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def memory(pid: int) -> int:
    """Return the bytes of memory that a process has besides mapped files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def opened(path: str, pack: str) -> dict[str, Any]:
    from genkit.data import open_dataset, workers

    workers.MOMENT = 0.0
    began = time.perf_counter()
    data = open_dataset(path, pack=pack)
    return {"seconds": time.perf_counter() - began, "images": len(data.everything()), "sha256": data.sha256}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--pack", choices=["pixels", "encoded"], default="pixels")
    parser.add_argument("--captions", action="store_true", help="with a caption for each image")
    parser.add_argument("--folder", type=Path, help="where the images are written, on a disk with room for them")
    parser.add_argument("--one", help="open this once and print what it took")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(opened(arguments.one, arguments.pack)))
        return
    kept = True
    with tempfile.TemporaryDirectory(dir=arguments.folder) as root:
        hashes = []
        for kind, write in (("folder", written_folder), ("zip", written_zip)):
            found = {}
            for count in sorted({min(SMALL, arguments.count), arguments.count}):
                path, cache = Path(root, "images.zip" if kind == "zip" else "images"), Path(root, "cache")
                write(path, count, captions=arguments.captions)
                command = [sys.executable, __file__, "--pack", arguments.pack, "--one", f"{kind}:{path}"]
                packing, again = measured(command, cache), measured(command, cache)
                assert packing["images"] == count and packing["sha256"] == again["sha256"]
                found[count] = packing["memory"]
                print(
                    f"{kind}, {count:,} images: packed in {packing['seconds']:.1f} s, {packing['memory'] / 1e6:,.0f} MB; "
                    f"opened again in {again['seconds']:.2f} s, {again['memory'] / 1e6:,.0f} MB",
                    flush=True,
                )
                for each in (path, cache):
                    each.unlink() if each.is_file() else shutil.rmtree(each)
            hashes.append(packing["sha256"])
            above = found[arguments.count] - min(found.values())
            right = above <= GOALS["memory"] and again["seconds"] <= GOALS[kind]
            kept &= right
            print(
                f"{kind}: {above / 1e6:,.0f} MB above {min(found):,} images, goal {GOALS['memory'] / 1e6:,.0f}; opened again in "
                f"{again['seconds']:.2f} s, goal {GOALS[kind]:.0f}: {'kept' if right else 'NOT KEPT'}",
                flush=True,
            )
        kept &= len(set(hashes)) == 1
        print("the folder and the zip have one content hash" if len(set(hashes)) == 1 else "the content hashes DIFFER")
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
