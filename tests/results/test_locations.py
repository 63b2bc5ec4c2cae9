"""Filesystems behind fsspec that are less obliging than memory://."""

from __future__ import annotations

import zipfile

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from making import record, score

from genkit.errors import GenkitError, MissingError, UnknownName
from genkit.results import maintenance, store


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


@pytest.fixture(autouse=True)
def _protocols():
    for kind in (Plain, Down):
        register_implementation(kind.protocol, kind, clobber=True)
    register_implementation("driverless", "no.such.driver.Files", errtxt="Install driverless-fs to open it")
    for shared in (Plain.store, Plain.seen):
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


def test_a_plain_path_needs_no_fsspec(tmp_path):
    import subprocess
    import sys

    code = "import sys; from genkit.results import store; store.ready(sys.argv[1]); store.read(sys.argv[1])"
    probe = f"{code}; print('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
