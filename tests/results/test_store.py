from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import pytest
from making import record, score

from genkit.errors import DataError, GenkitError, GenkitWarning, UsageError
from genkit.ranking.board import rank
from genkit.results import locations, store
from genkit.results.locations import open_location
from genkit.results.records import SCHEMA, content_id, to_json


def test_records_of_the_same_moment_do_not_overwrite_each_other(root):
    for value in (1.0, 2.0):
        store.add(root, record("vae", score(value), created="2026-01-01T00:00:00"))
    assert sorted(r.scores[0].value for r in store.read(root).records) == [1.0, 2.0]


def test_reading_finds_records_at_any_depth_oldest_first_and_where_they_lie(root):
    made = [record(name, score(1.0)) for name in ("a", "b", "c")]
    folders = [f"{root}/z", f"{root}/digits/vae[1]/1f", f"{root}"]
    for one, folder in zip(made, folders, strict=True):
        store.add(folder, one)
    contents = store.read(str(root))
    assert contents.records == made
    assert contents.origins == dict(zip([one.id for one in made], folders, strict=True))
    assert store.read(f"{root}/records").records == made[2:]
    assert store.read(f"{root}/records").origins == {made[2].id: f"{root}"}


def test_a_record_in_two_folders_is_read_once(root):
    """Both exhibits and order would be those of the copy that came last, and a board would call it newer than itself."""
    first, copied = record("a", score(1.0)), record("b", score(1.0))
    for folder in ("y", "x", "z"):
        store.add(f"{root}/{folder}", copied)
    store.add(f"{root}/y", first)
    contents = store.read(root)
    assert contents == store.StoreContents([first, copied], [], {first.id: f"{root}/y", copied.id: f"{root}/x"})


def test_a_copy_that_was_edited_is_a_problem(tmp_path):
    one = record("a", score(1.0))
    kept, edited = store.add(tmp_path / "a", one), store.add(tmp_path / "b", one)
    edited.write_text(edited.read_text().replace("1.0", "0.5"))
    contents = store.read(tmp_path)
    assert contents.records == [one] and contents.origins == {one.id: str(kept.parents[1])}
    assert contents.problems == [
        f"{edited}: its content does not match the hash in its name, so it was changed or damaged: "
        "restore it from a copy, or measure again"
    ]


def places(size):
    return [0, size // 3, size // 2, size - 2, size - 1]


def flipped(data, place):
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def test_a_flip_anywhere_in_a_record_leaves_it_out_and_names_it(tmp_path, caplog):
    other = record("b", score(2.0))
    path = store.add(tmp_path, record("a", score(1.0)))
    store.add(tmp_path, other)
    data, times = path.read_bytes(), path.stat()
    for place in places(len(data)):
        path.write_bytes(flipped(data, place))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        contents = store.read(tmp_path)
        assert contents.records == [other]
        (problem,) = contents.problems
        assert problem.startswith(f"{path}: its content does not match the hash in its name")
    assert store.known(tmp_path) == [other] and caplog.messages == [f"left out: {problem}"]


def test_an_edited_record_of_a_url_is_left_out_and_named(url):
    address = store.add(url, record("a", score(1.0)))
    open_location(url).write(address.removeprefix(f"{url}/"), to_json(record("a", score(0.5))).encode())
    contents = store.read(url)
    assert contents.records == []
    assert contents.problems[0].startswith(f"{address}: its content does not match the hash in its name")


def test_a_flip_in_an_exhibit_or_in_their_list_leaves_out_what_it_concerns(tmp_path):
    one = record("a", score(1.0))
    shown = {"grid.png": b"\x89PNG and more", "curve.json": b"{}"}
    store.add(tmp_path, one, shown)
    folder = tmp_path / "exhibits" / one.id
    picture, listing = folder / "grid.png", folder / "sha256.json"
    for place in range(len(shown["grid.png"])):
        picture.write_bytes(flipped(shown["grid.png"], place))
        with pytest.warns(GenkitWarning, match=rf"grid.png of .*{one.id} can't be shown"):
            assert store.exhibits(tmp_path, one.id) == {"curve.json": b"{}"}
    picture.write_bytes(shown["grid.png"])
    data = listing.read_bytes()
    for place in (0, data.index(b"grid"), data.index(b'png": "') + 10):
        listing.write_bytes(flipped(data, place))
        with pytest.warns(GenkitWarning, match=r"sha256.json of .* can't be shown"):
            assert store.exhibits(tmp_path, one.id) == {}
    listing.write_bytes(data)
    picture.unlink()
    with pytest.warns(GenkitWarning, match=r"grid.png of .* can't be shown"):
        assert store.exhibits(tmp_path, one.id) == {"curve.json": b"{}"}
    listing.unlink()  # as of before
    assert store.exhibits(tmp_path, one.id) == {"curve.json": b"{}"}


def test_an_exhibit_that_cannot_be_read_is_one_sentence(root, monkeypatch):
    one = record("a", score(1.0))
    store.add(root, one, {"grid.png": b"x"})
    monkeypatch.setattr(type(open_location(root)), "files", lambda self, folder: {"grid.png": "Permission denied"})
    with pytest.raises(GenkitError, match=rf"the exhibit grid.png of {one.id} in .* can't be read: Permission denied$"):
        store.exhibits(root, one.id)


def test_an_address_is_answered_in_its_own_type(tmp_path, url):
    one = record("a", score(1.0))
    assert store.add(tmp_path, one) == tmp_path / "records" / Path(store.add(url, one)).name
    assert store.add(str(tmp_path), one) == str(store.add(tmp_path, one))
    assert store.add(url, one).startswith(f"{url}/records/")
    assert store.add(f"file://{tmp_path}", one) == str(store.add(tmp_path, one))


def test_a_records_own_clock_does_not_lead_out_of_the_folder(tmp_path):
    path = store.add(tmp_path / "in", record("a", score(1.0), created="../../../2026"))
    assert path.parent == tmp_path / "in" / "records"


def test_a_stored_record_keeps_the_id_of_its_file(tmp_path):
    one = record("a", score(1.0))
    path = store.add(tmp_path, one)
    (read,) = store.read(tmp_path).records
    assert read.id == one.id
    plain = json.loads(path.read_text())
    del plain["cost"]  # as another version of genkit may have written it
    data = json.dumps(plain).encode()
    path.unlink()
    for name in (f"x-{content_id(data)}.json", "named by hand.json"):
        (path.parent / name).write_bytes(data)
        (read,) = store.read(tmp_path).records
        assert read.id == content_id(data) != one.id
        assert store.read(tmp_path).origins == {read.id: str(tmp_path)}
        (path.parent / name).unlink()


def test_exhibits_lie_beside_their_record(root):
    shown, other = {"grid.png": b"\x89PNG", "curve.json": b"{}"}, {"grid.png": b"other"}
    paths = [store.add(root, record(name, score(1.0)), files) for name, files in (("a", shown), ("b", other))]
    store.add(root, record("c", score(1.0)))
    contents = store.read(root)
    assert len(paths) == 2 and contents.problems == []
    found = [store.exhibits(contents.origins[each.id], each.id) for each in contents.records]
    assert found == [shown, other, {}]


def test_a_record_never_stands_without_its_exhibits(root, tmp_path, monkeypatch):
    kind = type(open_location(root))
    write, write_file = kind.write, locations.write_atomic

    def dies_at_pictures(self, path, data):
        if path.endswith(".png"):
            raise KeyboardInterrupt
        return write(self, path, data)

    def file_dies_at_pictures(path, data):
        if path.suffix == ".png":
            raise KeyboardInterrupt
        write_file(path, data)

    monkeypatch.setattr(kind, "write", dies_at_pictures)
    monkeypatch.setattr(locations, "write_atomic", file_dies_at_pictures)
    with pytest.raises(KeyboardInterrupt):
        store.add(root, record("a", score(1.0)), {"a.json": b"{}", "grid.png": b"x"})
    assert store.read(root).records == []
    if root is tmp_path:
        assert list((tmp_path / "exhibits").iterdir()) == []  # a folder of exhibits is whole, or not there


def test_the_record_measured_last_is_the_newest_although_the_clock_was_set_back(root):
    times = [f"2026-0{month}-01T00:00:00.000+00:00" for month in (5, 6, 2, 1)]
    old, *new = [record(name, score(1.0), created=time) for name, time in zip("abcd", times, strict=True)]
    new[-1] = dataclasses.replace(new[-1], dataset="mnist")
    store.add(root, old)  # as older versions did
    paths = [store.append(root, each) for each in new]
    read = store.read(root).records
    assert [each.subject.name for each in read] == ["a", "b", "c", "d"]
    assert [each.created for each in read] == times
    assert [each.id for each in read] == [each.id for each in (old, *new)]
    assert Path(paths[2]).name.startswith("20260601T000000002-")
    assert to_json(read[3]) == to_json(new[2])
    assert rank([*reversed(read)]).dataset == "mnist"  # the newest record's


def test_a_file_or_record_of_the_end_of_time_does_not_turn_the_order_round(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"99991231T235959997-{'a' * 12}.json").write_text("no record")
    store.add(tmp_path, record("last", score(1.0)), stamp="99991231T235959998")
    for number in range(5):
        store.append(tmp_path, record(f"n{number}", score(float(number)), created="2026-05-01T00:00:00.000+00:00"))
    names = [each.subject.name for each in store.read(tmp_path).records]
    assert [name for name in names if name != "last"] == [f"n{number}" for number in range(5)]
    assert names[-1] == "n4"


def test_the_order_goes_through_all_runs_and_survives_merging(tmp_path):
    runs = [tmp_path / "runs" / "digits" / "vae" / name for name in "ab"]
    for run in runs:
        run.mkdir(parents=True)
        (run / "run.json").touch()
    for run, month in ((runs[0], 6), (runs[1], 5)):
        store.append(run, record(run.name, score(1.0), created=f"2026-0{month}-01T00:00:00.000+00:00"))
    store.append(tmp_path / "runs" / "other", record("c", score(1.0), created="2026-06-02T00:00:00.000+00:00"))
    assert [each.subject.name for each in store.read(tmp_path / "runs").records] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["", ".", "..", ".png", "a/b.png", "../a.png", "/a.png", "a\\b.png", "a\nb", "a\0b"])
def test_an_exhibits_name_is_a_plain_file_name(root, name):
    with pytest.raises(DataError, match="can't name an exhibit: give a plain file name"):
        store.add(root, record("a", score(1.0)), {"fine.png": b"", name: b""})
    with pytest.raises(DataError, match="can't name an exhibit"):
        store.exhibits(root, name)
    assert store.read(root).records == []


def test_exhibits_are_plain_files_alone(tmp_path):
    one = record("a", score(1.0))
    store.add(tmp_path, one, {"grid.png": b"x"})
    folder = tmp_path / "exhibits" / one.id
    (tmp_path / "secret").write_text("secret")
    (folder / "link.png").symlink_to(tmp_path / "secret")
    (folder / ".grid.png.x1y2").write_text("half")
    (folder / "deep").mkdir()
    (folder / "deep" / "a.png").write_text("")
    assert store.exhibits(tmp_path, one.id) == {"grid.png": b"x"}


def test_partial_and_foreign_files_are_ignored(tmp_path):
    path = store.add(tmp_path, record("a", score(1.0)))
    (path.parent / f".{path.name}.x1y2").write_text(path.read_text()[:50])
    (path.parent / ".hidden.json").write_text("{")
    (path.parent / "notes.txt").write_text("not JSON")
    (tmp_path / "run.json").write_text("{}")
    contents = store.read(tmp_path)
    assert len(contents.records) == 1
    assert contents.problems == []


def test_a_corrupt_record_is_reported_and_the_rest_is_read(tmp_path):
    path = store.add(tmp_path, record("a", score(1.0)))
    broken = path.with_name("broken.json")
    broken.write_text(to_json(record("b", score(1.0)))[:80])
    path.with_name("folder.json").mkdir()
    contents = store.read(tmp_path)
    assert [r.subject.name for r in contents.records] == ["a"]
    assert len(contents.problems) == 1
    assert contents.problems[0].startswith(f"{broken} is not a record")


def test_a_record_of_the_future_is_reported_and_skipped(root):
    store.add(root, record("b", score(1.0), schema=SCHEMA + 1))
    store.add(root, record("a", score(1.0)))
    contents = store.read(root)
    assert [r.subject.name for r in contents.records] == ["a"]
    assert len(contents.problems) == len(contents.origins) == 1
    assert f"schema {SCHEMA + 1}; this genkit reads up to {SCHEMA}: update genkit" in contents.problems[0]


def test_a_url_that_became_a_path_is_not_made_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="was a URL before it became a path"):
        store.add(Path("s3://bucket/runs"), record("a", score(1.0)))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_or_missing_store_is_empty(tmp_path):
    assert store.read(tmp_path).records == store.read(tmp_path / "nothing").records == []


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match=r"the record can't be written to .*Not a directory"):
        store.add(tmp_path / "file", record("a", score(1.0)))


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(GenkitError, match="No space left on device"):
        store.add(tmp_path, record("a", score(1.0)))
    assert list((tmp_path / "records").iterdir()) == []


def test_records_are_readable_by_others(tmp_path):
    path = store.add(tmp_path, record("a", score(1.0)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_place_that_takes_no_record_is_known_before_the_work(tmp_path):
    store.ready(tmp_path / "new")
    assert (tmp_path / "new" / "records").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="no record can be written to"):
        store.ready(tmp_path / "file")
