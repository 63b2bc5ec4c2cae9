from __future__ import annotations

import os
import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from making import record, score

from genkit import store
from genkit.errors import GenkitError
from genkit.records import to_json


def add_some(folder, writer):
    """What one of several writing processes does."""
    for number in range(20):
        store.add(Path(folder), record(f"model-{writer}", score(float(number)), options={"number": number}))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_concurrent_writers_lose_nothing(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        for done in [pool.submit(add_some, str(tmp_path), writer) for writer in range(4)]:
            done.result()
    contents = store.read(tmp_path)
    assert contents.problems == []
    found = {(r.subject.name, r.subject.options["number"]) for r in contents.records}
    assert found == {(f"model-{writer}", number) for writer in range(4) for number in range(20)}


def test_records_of_the_same_moment_do_not_overwrite_each_other(tmp_path):
    for value in (1.0, 2.0):
        store.add(tmp_path, record("vae", score(value), created="2026-01-01T00:00:00"))
    assert sorted(r.scores[0].value for r in store.read(tmp_path).records) == [1.0, 2.0]


def test_reading_finds_records_at_any_depth_oldest_first(tmp_path):
    made = [record(name, score(1.0)) for name in ("a", "b", "c")]
    for one, folder in zip(made, ("z", "digits/vae/1f", "."), strict=True):
        store.add(tmp_path / folder, one)
    assert store.read(tmp_path).records == made
    assert store.read(tmp_path / "records").records == made[2:]


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
