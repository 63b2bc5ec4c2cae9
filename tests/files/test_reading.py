from __future__ import annotations

import ast
import io
import os
import re
import socket
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from genkit.errors import UsageError
from genkit.files.reading import BROKEN_ZIP, DEPTH, Zip, entire, open_file, parse_json, read_file, read_toml

PACKAGE = Path(__file__).resolve().parents[2] / "genkit"
MB = 1 << 20


@pytest.fixture
def special(tmp_path: Path) -> dict[str, Path]:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    return {"a pipe": tmp_path / "pipe", "a device": tmp_path / "endless", "a socket": tmp_path / "socket"}


def test_only_regular_files_are_opened(special: dict[str, Path], tmp_path: Path) -> None:
    for kind, path in special.items():
        with pytest.raises(OSError, match=f"it is {kind}, not a file"):
            read_file(path)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    assert read_file(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="it has more than 99 bytes"):
        read_file(path, 99)
    with open_file(path, 10) as file:
        assert file.read(7) == b"x" * 7
        with pytest.raises(OSError, match="more than 10 bytes"):
            file.read()


def test_a_claim_is_no_size_and_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with open_file(path, 10 * MB) as opened, pytest.raises(OSError, match="more than 10,485,760 bytes"):
        opened.read(1 << 40)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="there is no /proc")
def test_a_file_of_a_system_without_sizes_is_read_to_its_end() -> None:
    assert b"\n" in read_file("/proc/self/maps")
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_file("/proc/self/maps", 10)


def test_an_environment_variable_raises_what_is_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entire() == 600 << 20
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "4096")
    assert entire() == 4 << 30
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "much")
    with pytest.raises(UsageError, match="give megabytes"):
        entire()


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 200 + "1" + "}" * 200, "1" * 5000])
def test_json_without_measure_is_a_value_error(text: str) -> None:
    for data in (text, text.encode()):
        with pytest.raises(ValueError, match="."):
            parse_json(data)


def test_json_of_usual_depth_is_read() -> None:
    assert parse_json("[" * DEPTH + "]" * DEPTH)
    assert parse_json(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


def test_json_that_would_fill_the_memory_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "1")
    data = b"[" + b"[]," * 20_000 + b"[]]"
    tracemalloc.start()
    with pytest.raises(ValueError, match="GENKIT_MAX_MEMORY can raise"):
        parse_json(data)
    assert tracemalloc.get_traced_memory()[1] < MB
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 2000, "nested"),
        ("a = " + "[" * 150 + "]" * 150, "nested"),
        (".".join("a" * 30_000) + " = 1", "parts"),
        ("[" + ".".join(["'a b'"] * 30_000) + "]", "parts"),
        ('a = "b\\u0000c"', "zero byte"),
        ("a = \0", "."),
        ("# " + "x" * (1 << 20), "more than"),
    ],
    ids=["unclosed", "deep", "dotted key", "dotted table", "zero byte", "raw zero byte", "large"],
)
def test_toml_without_measure_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises((ValueError, OSError), match=reason):
        read_toml(path)


def test_usual_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("# " + "." * 300 + "\n[eval]\nx.y = [1, 2]\n")
    assert read_toml(path) == {"eval": {"x": {"y": [1, 2]}}}


def zipped(path: Path, data: bytes, method: int = zipfile.ZIP_DEFLATED, claim: int | None = None) -> Path:
    """Write a zip of one member ``a``, which claims another size."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("a", data)
    if claim is not None:
        raw = bytearray(path.read_bytes())
        for at in (22, raw.index(b"PK\x01\x02") + 24):
            raw[at : at + 4] = struct.pack("<I", claim)
        path.write_bytes(raw)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_is_read_by_what_it_holds(tmp_path: Path, method: int) -> None:
    with Zip(zipped(tmp_path / "a.zip", bytes(range(256)) * 4000, method)) as file:
        assert file.content("a", 1_024_000) == bytes(range(256)) * 4000
        with pytest.raises(OSError, match="more than 1,023,999 bytes"):
            file.content("a", 1_023_999)


@pytest.mark.parametrize("claim", [10, 1 << 31])
def test_a_member_that_lies_about_its_size_is_damaged_and_takes_no_memory(tmp_path: Path, claim: int) -> None:
    path = zipped(tmp_path / "a.zip", bytes(48 * MB), claim=claim)
    tracemalloc.start()
    with Zip(path) as file, pytest.raises(BROKEN_ZIP):
        file.content("a", 32 * MB)
    assert tracemalloc.get_traced_memory()[1] < 40 * MB
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_makes_much_of_little_is_unpacked_as_far_as_it_is_read(tmp_path: Path, method: int) -> None:
    zipped(tmp_path / "a.zip", bytes(64 * MB), method)
    tracemalloc.start()
    with Zip(tmp_path / "a.zip") as file, file.stream("a") as member:
        assert member.read(1000) == bytes(1000)
    assert tracemalloc.get_traced_memory()[1] < 24 * MB
    tracemalloc.stop()


def directory(path: Path, members: int, comment: bytes = b"") -> Path:
    """Write the directory of a zip, of empty members, alone."""
    entry = b"PK\1\2" + struct.pack("<4B4HL2L5H2L", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 4, 0, len(comment), 0, 0, 0, 0)
    content = b"".join(entry + struct.pack("<I", number) + comment for number in range(members))
    count = min(members, 65535)
    path.write_bytes(content + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, count, count, len(content), 0, 0))
    return path


@pytest.mark.parametrize(("members", "comment"), [(20_000, b""), (20, bytes(65_000))])
def test_more_members_than_memory_holds_are_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int, comment: bytes
) -> None:
    path = directory(tmp_path / "a.zip", members, comment)
    with Zip(path) as file:
        assert len(file.namelist()) == members
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "2")
    tracemalloc.start()
    with pytest.raises(
        OSError, match=f"it lists {members:,} members, and would take more than 2 MB of memory, which G"
    ):
        Zip(path)
    assert tracemalloc.get_traced_memory()[1] < 2 * MB
    tracemalloc.stop()


def test_memory_of_a_member_is_not_underrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory(tmp_path / "a.zip", 20_000)
    tracemalloc.start()
    with Zip(path):
        most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    monkeypatch.setenv("GENKIT_MAX_MEMORY", str(most * 8 // 10 >> 20))
    with pytest.raises(OSError, match="members"):
        Zip(path)


def test_a_pipe_is_no_zip(special: dict[str, Path]) -> None:
    with pytest.raises(OSError, match="pipe"):
        Zip(special["a pipe"])


OTHERWISE = {
    "cli/new.py": "genkit's own templates",
    "data/phrasings.py": "genkit's own sentences",
    "downloads.py": "the file that it writes",
    "data/zip_directory.py": "the files that reading.py opened, in part",
    "features/spool.py": "the files that it writes",
}
"""Modules that open files in other ways, and which."""


def calls(path: Path) -> list[str]:
    """Return the calls in a module that read files in other ways."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        mode = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        writes = any(re.fullmatch(r"r?[wax]\+?b?|[wra]b?\+b?", each) for each in mode)
        if re.search(r"\.(read_bytes|read_text|fromfile|loadtxt|genfromtxt)$|^json\.load$|^tomllib\.load$", name):
            found.append(name)
        if name in ("open", "io.open", "path.open", "zipfile.ZipFile", "np.load") and not writes:
            found.append(f"{name} in line {node.lineno}")
    return found


def test_there_is_one_way_in() -> None:
    others = {str(path.relative_to(PACKAGE)): calls(path) for path in sorted(PACKAGE.rglob("*.py"))}
    del others["files/reading.py"]
    assert {name: found for name, found in others.items() if found and name not in OTHERWISE} == {}


def test_another_way_in_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("open(x, 'rb')\nopen(x, 'wb')\npath.read_text()\nnp.load(x)\nzipfile.ZipFile(x)\n")
    assert len(calls(tmp_path / "a.py")) == 4


def test_a_stream_closes_its_member(tmp_path: Path) -> None:
    with Zip(zipped(tmp_path / "a.zip", b"abc", zipfile.ZIP_LZMA)) as file:
        with file.stream("a") as member:
            assert isinstance(member, io.BufferedReader)
        assert member.closed
