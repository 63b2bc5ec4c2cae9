from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from making import record, score

from genkit.files.writing import write_together
from genkit.results import maintenance, records, store
from genkit.results.records import content_id, to_json

EDITED = "its content does not match the hash in its name, so it was changed or damaged: restore it from a copy, or measure again"


def edited(path, change):
    """Change a record by hand; its name stays."""
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain, indent=1) + "\n")
    return path


def named_anew(path):
    """Give an edited file the name that fits its content."""
    return path.rename(path.with_name(f"x-{content_id(path.read_bytes())}.json"))


def test_what_was_written_is_good(root):
    for name in ("a", "b"):
        store.add(root, record(name, score(1.0), score(2.0, name="kid")))
    assert maintenance.check(root) == maintenance.Health(2, [])


def test_pages_that_were_not_made_from_the_same_records_are_found(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in maintenance.PAGES]
    rename = os.replace

    def written(*names, killed=False):
        """Write both pages of some records; a kill comes between the renames."""
        ending = maintenance.mark([record(name, score(1.0), created=name) for name in names])

        def renamed(source, target):
            if killed and target == paths[1]:
                raise KeyboardInterrupt
            rename(source, target)

        monkeypatch.setattr(os, "replace", renamed)
        with contextlib.suppress(KeyboardInterrupt):
            write_together(dict.fromkeys(paths, b"page" + ending))
        return maintenance.check(tmp_path).bad

    assert written("2026-01-01") == []
    words = f"board.md and report.html in {tmp_path} were made from different records: genkit bench writes both anew"
    assert written("2026-01-01", "2026-01-02", killed=True) == [words]
    assert written("2026-01-01", "2026-01-02") == []
    paths[0].write_text("| a page of before |")
    assert maintenance.check(tmp_path).bad == []


def test_a_record_edited_by_hand_is_found(tmp_path):
    store.add(tmp_path, record("good", score(1.0)))
    path = edited(store.add(tmp_path, record("a", score(1.0))), lambda plain: plain["scores"][0].update(value=0.5))
    assert maintenance.check(tmp_path) == maintenance.Health(1, [f"{path}: {EDITED}"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda plain: plain["scores"][0]["choices"].update(count=9), "its score fid[digits-cnn]"),
        (lambda plain: plain["scores"][0].update(fingerprint="0" * 12), "its score fid[digits-cnn]"),
        (lambda plain: plain["protocol"]["data"].update(name="mnist"), "its protocol"),
    ],
)
def test_fingerprints_are_computed_again(tmp_path, change, fault):
    path = named_anew(edited(store.add(tmp_path, record("a", score(1.0))), change))
    assert maintenance.check(tmp_path).bad == [f"{path}: {fault} does not match the fingerprint in it"]


def test_what_is_no_record_is_bad_once(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.json").write_text("{")
    (problem,) = maintenance.check(tmp_path).bad
    assert problem.startswith(f"{tmp_path}/records/a.json is not a record: ")


def test_todays_records_are_not_outdated(root):
    store.add(root, record("a", score(1.0)))
    assert maintenance.outdated(root, pytest.fail) == ([], {records.SCHEMA: 1})


@pytest.fixture
def later(monkeypatch):
    """A genkit that writes the schema after today's."""
    monkeypatch.setattr(records, "SCHEMA", records.SCHEMA + 1)


def test_an_old_record_is_written_anew_with_its_exhibits(root, request):
    store.add(f"{root}/run", record("a", score(1.0)), {"grid.png": b"x"})
    request.getfixturevalue("later")
    store.add(f"{root}/run", record("b", score(1.0), schema=records.SCHEMA))
    (old,), schemas = maintenance.outdated(root, pytest.fail)
    path = maintenance.renew(old)
    assert schemas == {records.SCHEMA - 1: 1, records.SCHEMA: 1} and path != old.path
    contents = store.read(root)
    assert [(r.subject.name, r.schema) for r in contents.records] == [("a", records.SCHEMA), ("b", records.SCHEMA)]
    renewed = contents.records[0].id
    assert renewed != old.record.id
    assert store.exhibits(contents.origins[renewed], renewed) == {"grid.png": b"x"}
    assert store.exhibits(old.folder, old.record.id) == {}
    assert maintenance.check(root).bad == [] and maintenance.outdated(root, pytest.fail) == ([], {records.SCHEMA: 2})


def test_a_migration_that_dies_loses_nothing_and_goes_on(tmp_path, request, monkeypatch):
    store.add(tmp_path, record("a", score(1.0)), {"grid.png": b"x"})
    request.getfixturevalue("later")
    (old,), _ = maintenance.outdated(tmp_path, pytest.fail)
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            maintenance.renew(old)
    assert Path(old.path).exists() and store.exhibits(tmp_path, old.record.id)
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "open_location", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            maintenance.renew(old)
    assert len(store.read(tmp_path).records) == 2
    maintenance.renew(old)
    (only,) = store.read(tmp_path).records
    assert only.schema == records.SCHEMA and store.exhibits(tmp_path, only.id)


def test_an_edited_old_record_gets_no_sound_name(tmp_path, request):
    path = edited(store.add(tmp_path, record("a", score(1.0))), lambda plain: plain.update(command="another"))
    request.getfixturevalue("later")
    told = []
    assert maintenance.outdated(tmp_path, told.append) == ([], {records.SCHEMA: 0})
    assert told == [f"{path}: {EDITED}"]


def test_a_name_without_a_hash_vouches_for_nothing(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "v1.json").write_text(to_json(record("a", score(1.0))))
    assert maintenance.check(tmp_path).good == 0
