"""Filesystems behind fsspec that are less obliging than memory://. Tests location.py, locations.py and remote.py."""

from __future__ import annotations

import datetime
import io
import zipfile

import pytest
from fsspec import AbstractFileSystem, register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from making import record, score
from memory import peak

import genkit
from genkit.errors import DataError, GenkitError, MissingError, UnknownName
from genkit.results import locations, maintenance, remote, store


class Plain(MemoryFileSystem):
    """Shows half a file while it is written, as a disk behind a network does."""

    protocol = "plain"
    store: dict = {}
    pseudo_dirs = [""]
    seen: list = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("plain://", "memory://"))

    def pipe_file(self, path, value, **kwargs):
        super().pipe_file(path, value[: len(value) // 2])
        self.seen.append(store.read("plain://runs"))
        super().pipe_file(path, value)

    def mv(self, path1, path2, **kwargs):
        if self.exists(path2):
            raise FileExistsError(17, "File exists")
        super().mv(path1, path2, **kwargs)


class Down(Plain):
    """Has lost its network."""

    protocol = "down"

    def find(self, path, **kwargs):
        raise TimeoutError(110, "Connection timed out")

    def makedirs(self, path, exist_ok=False):
        raise TimeoutError(110, "Connection timed out")


class Closed(MemoryFileSystem):
    """Refuses to list some folders, and has no way of its own to list a tree."""

    protocol = "closed"
    store: dict = {}
    pseudo_dirs = [""]
    refused: dict = {}
    find = AbstractFileSystem.find

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("closed://", "memory://"))

    def ls(self, path, detail=True, **kwargs):
        for folder, error in self.refused.items():
            if self._strip_protocol(path) == folder:
                raise error
        return super().ls(path, detail=detail, **kwargs)


@pytest.fixture(autouse=True)
def _protocols():
    for kind in (Plain, Down, Closed):
        register_implementation(kind.protocol, kind, clobber=True)
    register_implementation("driverless", "no.such.driver.Files", errtxt="Install driverless-fs to open it")
    for shared in (Plain.store, Plain.seen, Closed.store, Closed.refused):
        shared.clear()


def test_a_record_half_written_is_not_seen():
    store.add("plain://runs", record("a", score(1.0)))
    (during,) = Plain.seen
    assert during == store.StoreContents()
    assert [r.subject.name for r in store.read("plain://runs").records] == ["a"]
    assert [path for path in Plain.store if "/." in path] == []


def test_a_record_written_twice_is_one_file_where_a_move_replaces_nothing():
    one = record("a", score(1.0))
    assert store.add("plain://runs", one) == store.add("plain://runs", one)
    assert len(Plain.store) == len(store.read("plain://runs").records) == 1


def test_a_failed_write_leaves_no_file_behind_a_url(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Plain, "mv", full)
    with pytest.raises(GenkitError, match=r"the record can't be written to plain://runs/records/.*No space left"):
        store.add("plain://runs", record("a", score(1.0)))
    assert Plain.store == {}


def test_adding_to_an_object_store_needs_no_right_to_delete(url, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Access Denied")

    for name in ("rm_file", "rm", "mv"):
        monkeypatch.setattr(MemoryFileSystem, name, forbidden)
    store.ready(url)
    store.add(url, record("a", score(1.0)))
    assert len(store.read(url).records) == 1 and store.read(url).problems == []


def test_a_store_that_may_only_be_read_is_not_ready(url, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", forbidden)
    with pytest.raises(GenkitError, match=r"no record can be written to memory://.*: Access Denied$"):
        store.ready(url)


def test_corrupt_and_foreign_files_behind_a_url_are_told_apart(url):
    path = store.add(url, record("a", score(1.0)))
    files = MemoryFileSystem()
    for name, text in {"broken.json": b"{", ".half.json.x1": b"{", ".hidden.json": b"{", "notes.txt": b"x"}.items():
        files.pipe_file(path.rpartition("/")[0] + "/" + name, text)
    files.pipe_file(f"{url}/run.json", b"{}")
    contents = store.read(url)
    assert [r.subject.name for r in contents.records] == ["a"]
    assert len(contents.problems) == 1
    assert contents.problems[0].startswith(f"{url}/records/broken.json is not a record: ")


def test_a_record_that_cannot_be_fetched_is_reported_and_the_rest_is_read(url, monkeypatch):
    kept, lost = (store.add(url, record(name, score(1.0))) for name in ("a", "b"))
    fetch = MemoryFileSystem.cat_file

    def flaky(self, path, *arguments, **options):
        if lost.endswith(path.rpartition("/")[2]):
            raise TimeoutError(110, "Connection timed out")
        return fetch(self, path, *arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", flaky)
    contents = store.read(url)
    assert [r.subject.name for r in contents.records] == ["a"] and kept
    (problem,) = contents.problems
    assert "Connection timed out" in problem and lost in problem


def test_a_store_that_is_ready_holds_nothing_yet(url):
    store.ready(url)
    assert store.read(url) == store.StoreContents()
    assert MemoryFileSystem.store == {}


@pytest.mark.parametrize("ask", [store.read, store.ready, lambda url: store.exhibits(url, "abc")])
def test_a_store_that_cannot_be_reached_is_one_sentence(ask):
    with pytest.raises(GenkitError, match=r"down://runs.*: Connection timed out$"):
        ask("down://runs")


@pytest.mark.parametrize("ask", [store.read, store.ready])
def test_a_missing_driver_and_an_unknown_protocol_are_one_sentence(ask):
    with pytest.raises(MissingError, match="driverless://x can't be reached: Install driverless-fs to open it"):
        ask("driverless://x")
    with pytest.raises(UnknownName, match="no protocol named 'memroy'. Did you mean 'memory'?"):
        ask("memroy://x")


def test_a_cache_before_a_url_is_no_folder_of_this_machine(url, tmp_path, monkeypatch):
    """Its protocol is one string, which has "file" in it."""
    from genkit.results import locations

    folder = f"/{url.partition('://')[2]}"
    monkeypatch.setattr(locations.Folder, "write", lambda self, path, data: pytest.fail(f"written to {self.root}"))
    one = record("a", score(1.0))
    path = store.add(f"filecache::{url}", one)
    assert path.startswith(f"filecache::{url}/records/")
    assert [name.startswith(f"{folder}/records/") for name in MemoryFileSystem.store] == [True]
    assert store.read(url).origins == {one.id: url}
    assert isinstance(locations.open_location(f"local://{tmp_path}"), locations.Folder)


@pytest.mark.parametrize("root", ["memory://", "memory://records", "simplecache::memory://", "memory://a/"])
def test_the_origin_of_a_record_can_be_opened_again(url, root):
    store.add("memory://a", record("a", score(1.0)), {"grid.png": b"a"})
    store.add("memory://", record("b", score(1.0)), {"grid.png": b"b"})
    contents = store.read(root)
    found = {one.subject.name: store.exhibits(contents.origins[one.id], one.id) for one in contents.records}
    named = {"memory://records": "b", "memory://a/": "a"}.get(root, "ab")
    assert found == {name: {"grid.png": name.encode()} for name in named}


@pytest.mark.parametrize("inner", ["", "runs", "records", "runs/records"])
def test_an_archive_is_a_store_to_read_with_its_exhibits(tmp_path, inner):
    for folder in ("", "runs"):
        store.add(tmp_path / "made" / folder, record(folder or "top", score(1.0)), {"grid.png": folder.encode()})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (tmp_path / "made").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "made"))
    contents = store.read(f"zip://{inner}::file://{tmp_path}/all.zip")
    names = {"": ["top", "runs"], "records": ["top"]}.get(inner, ["runs"])
    assert (contents.problems, [one.subject.name for one in contents.records]) == ([], names)
    for one in contents.records:
        assert store.exhibits(contents.origins[one.id], one.id) == {
            "grid.png": one.subject.name.replace("top", "").encode()
        }
    assert maintenance.check(f"zip://{inner}::file://{tmp_path}/all.zip") == maintenance.Health(len(names), [])


@pytest.mark.parametrize("root", ["closed://runs", "filecache::closed://runs"])
@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), FileNotFoundError("/runs/b"), RuntimeError("550 denied")]
)
def test_a_remote_folder_that_cannot_be_listed_is_named(root, error):
    for name in ("a", "b"):
        store.add(f"closed://runs/{name}", record(name, score(1.0)))
    Closed.refused["/runs/b"] = error
    contents = store.read(root)
    assert [one.subject.name for one in contents.records] == ["a"]
    (problem,) = contents.problems
    assert "closed://runs/b can't be read: " in problem


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError("/runs")])
def test_a_remote_store_that_cannot_be_listed_is_not_empty(error):
    store.add("closed://runs", record("a", score(1.0)))
    Closed.refused["/runs"] = error
    with pytest.raises(GenkitError, match="closed://runs can't be read: "):
        store.read("closed://runs")
    Closed.refused.clear()
    assert store.read("closed://nothing") == store.StoreContents()


def test_pictures_that_cannot_be_listed_are_not_none():
    one = record("a", score(1.0))
    store.add("closed://runs", one, {"grid.png": b"x"})
    assert store.exhibits("closed://runs", one.id) == {"grid.png": b"x"}
    Closed.refused[f"/runs/exhibits/{one.id}"] = PermissionError(13, "Permission denied")
    with pytest.raises(GenkitError, match="can't be read: Permission denied"):
        store.exhibits("closed://runs", one.id)


def test_a_store_of_which_nothing_can_be_read_is_not_one_without_records(tmp_path):
    path = store.add(tmp_path, record("a", score(1.0)))
    path.write_text("{")
    with pytest.raises(
        DataError, match=f"^no record can be read: {path}: its content does not match the hash in its name"
    ):
        genkit.leaderboard(tmp_path)
    with pytest.raises(DataError, match="no record can be read"):
        genkit.recommend(tmp_path)


def test_records_are_fetched_some_at_a_time(url, monkeypatch):
    monkeypatch.setattr(remote, "_AT_ONCE", 2)
    made = [record(name, score(1.0)) for name in "abcde"]
    for each in made:
        store.add(url, each)
    assert store.read(url).records == made


@pytest.mark.parametrize("root", ["zip://runs::file://{}", "simplecache::zip://runs::file://{}"])
def test_a_member_of_a_zip_that_unpacks_to_more_than_a_document_is_not_read(tmp_path, monkeypatch, root):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    good = store.add(tmp_path / "made", record("good", score(1.0)))
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(good, f"runs/records/{good.name}")
        with archive.open("runs/records/bomb.json", "w", force_zip64=True) as member:
            for _ in range(200):
                member.write(bytes(1 << 20))

    def read():
        contents = store.read(root.format(tmp_path / "all.zip"))
        raise GenkitError(" ".join([*(one.subject.name for one in contents.records), *contents.problems]))

    said, taken = peak(read)
    assert said.startswith("good ") and said.endswith("can't be read: it has more than 16,777,216 bytes")
    assert taken < 100_000_000


@pytest.mark.parametrize("root", ["zip://::file://{}", "simplecache::zip://::file://{}"])
def test_a_member_of_a_zip_that_says_it_is_small_is_unpacked_as_far_as_it_is_read(tmp_path, monkeypatch, root):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("records/bomb.json", bytes(150_000_000))
    data = bytearray(archived.getvalue())
    place = data.rfind(b"PK\x01\x02") + 24
    data[place : place + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "all.zip").write_bytes(data)
    said, taken = peak(lambda: store.read(root.format(tmp_path / "all.zip")))
    assert not said and taken < 100_000_000


def test_more_bytes_than_were_listed_are_not_taken(monkeypatch):
    store.add("memory://runs", record("good", score(1.0)))
    MemoryFileSystem().pipe_file("/runs/records/grown.json", bytes((16 << 20) + 1))
    whole = MemoryFileSystem.find
    monkeypatch.setattr(
        MemoryFileSystem,
        "find",
        lambda *a, **k: {n: {**i, "size": 5} for n, i in whole(*a, **k).items()},
        raising=False,
    )
    contents = store.read("memory://runs")
    assert [one.subject.name for one in contents.records] == ["good"]
    assert contents.problems == ["memory://runs/records/grown.json can't be read: it has more than 16,777,216 bytes"]


def test_records_are_fetched_some_bytes_at_a_time(url, monkeypatch):
    monkeypatch.setattr(remote, "_BYTES", 1)
    made = [record(name, score(1.0)) for name in "abc"]
    for each in made:
        store.add(url, each)
    assert store.read(url).records == made


@pytest.mark.parametrize("root", ["memory://runs", "plain://runs", ""])
def test_exhibits_without_measure_are_not_all_read(tmp_path, monkeypatch, root):
    root = root or tmp_path
    for module in (locations, remote):
        monkeypatch.setattr(module, "FOLDER", 5)
    one = record("a", score(1.0))
    store.add(root, one, {"a.png": b"123456", "b.png": b"1"})
    with pytest.raises(GenkitError, match=r"exhibit \S+ of .* can't be read: the files of its folder have more than"):
        store.exhibits(root, one.id)


def test_a_killed_writers_temporary_is_removed_a_day_later(monkeypatch):
    monkeypatch.setattr(remote, "_swept", set())
    old, young = "/runs/records/.a-0123456789ab.json.0123abcd", "/runs/records/.b-0123456789ab.json.0123abcd"
    for path in (old, young, "/runs/records/.keep"):
        MemoryFileSystem.pipe_file(Plain(), path, b"{")
    for path in (old, "/runs/records/.keep"):
        Plain.store[path].created -= datetime.timedelta(days=2)
    path = store.add("plain://runs", record("a", score(1.0)))
    left = {"/runs/records/.keep", young, "/" + path.removeprefix("plain://")}
    assert set(Plain.store) == left


def test_a_plain_path_needs_no_fsspec(tmp_path):
    import subprocess
    import sys

    code = "import sys; from genkit.results import store; store.ready(sys.argv[1]); store.read(sys.argv[1])"
    probe = f"{code}; print('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
