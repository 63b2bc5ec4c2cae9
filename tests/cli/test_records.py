"""genkit records: list, validate, migrate, export."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys

import pytest
from making import record, score

from genkit.results import records, store


@pytest.fixture
def runs(tmp_path):
    """The default store, with two records."""
    for name in ("a", "b"):
        store.add(tmp_path / "runs" / name, record(name, score(1.0), score(2.0, name="kid")))
    return tmp_path / "runs"


def test_an_empty_store_lists_as_an_empty_one(genkit):
    shown = genkit("records")
    assert (shown.code, shown.out) == (0, "")
    assert shown.err == "no records in runs yet: genkit eval --model dcgan makes the first\n"


def test_help_imports_nothing_heavy():
    probe = "import sys; sys.argv = ['genkit', 'records', '--help']\nfrom genkit.cli import main\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "genkit.cli.records" in done.stdout
    assert {"torch", "numpy", "pydantic", "fsspec"} & set(done.stdout.split()) == set()


def test_records_are_listed_as_text_and_json(genkit, runs):
    rows = [line.split() for line in genkit("records", "list").out.splitlines()]
    assert [row[3] for row in rows] == ["subject", "a", "b"]
    document = json.loads(genkit("records", "list", "--runs", runs, "--json").out)
    assert [(row["subject"], row["scores"]) for row in document] == [(n, ["fid[digits-cnn]", "kid"]) for n in "ab"]
    assert [row["folder"] for row in document] == [f"{runs}/a", f"{runs}/b"]


def test_the_store_may_come_from_the_environment_or_be_a_url(genkit, runs, monkeypatch):
    monkeypatch.setenv("GENKIT_RUNS", str(runs / "a"))
    assert "1 record good" in genkit("records", "validate").out
    assert "2 records good" in genkit("records", "validate", "--runs", f"file://{runs}").out
    unknown = genkit("records", "validate", "--runs", "memroy://x")
    assert (unknown.code, unknown.err.startswith("Error: no protocol named 'memroy'. Did you mean 'memory'?")) == (
        2,
        True,
    )


@pytest.mark.parametrize("command", ["validate", "migrate", "export"])
def test_a_folder_that_is_not_there_is_not_a_sound_one(genkit, command):
    shown = genkit("records", command, "--runs", "rnus")
    assert shown.code == 3
    assert shown.err.startswith("Error: there is no folder rnus: ")


def test_validate_fails_for_a_bad_record(genkit, runs):
    good = genkit("records", "validate")
    assert (good.code, good.out, good.err) == (0, "2 records good, 0 bad\n", "")
    (path,) = (runs / "a" / "records").iterdir()
    path.write_text(path.read_text().replace("1.0", "0.5"))
    shown = genkit("records", "validate")
    sentence = (
        f"runs/a/records/{path.name}: its content does not match the hash in its name, so it was changed or damaged: "
        "restore it from a copy, or measure again"
    )
    assert shown.code == 1
    assert shown.out == f"{sentence}\n1 record good, 1 bad\n"
    document = genkit("records", "validate", "--json")
    assert document.code == 1
    assert json.loads(document.out) == {"good": 1, "bad": [sentence]}


def test_migrate_changes_nothing_where_nothing_is_old(genkit, runs):
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.json")}
    assert genkit("records", "migrate").out == f"2 records have schema {records.SCHEMA}\n"
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.json")} == before


def test_migrate_writes_old_records_anew_unless_it_is_a_dry_run(genkit, runs, monkeypatch):
    monkeypatch.setattr(records, "SCHEMA", 2)
    before = sorted(runs.rglob("*.json"))
    assert genkit("records", "migrate", "--dry-run").out.count(": schema 1\n") == 2
    assert sorted(runs.rglob("*.json")) == before
    assert genkit("records", "migrate").out.count(" -> ") == 2
    assert {r.schema for r in store.read(runs).records} == {2}
    assert genkit("records", "migrate").out == "2 records have schema 2\n"


def test_migrate_names_what_it_leaves_old(genkit, runs, monkeypatch):
    (path,) = (runs / "a" / "records").iterdir()
    path.write_text(path.read_text().replace("1.0", "0.5"))
    monkeypatch.setattr(records, "SCHEMA", 2)
    genkit("records", "migrate")
    shown = genkit("records", "migrate")
    assert shown.out == "1 record has schema 2\n"
    assert shown.err == (
        f"left out: runs/a/records/{path.name}: its content does not match the hash in its name, so it was changed or "
        "damaged: restore it from a copy, or measure again\n"
    )


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_export_writes_the_form_that_the_suffix_says(genkit, runs, tmp_path, form):
    target = tmp_path / f"all.{form}"
    assert genkit("records", "export", "--out", target).out == f"{target}\n"
    text = target.read_text()
    assert genkit("records", "export", "--format", form).out == text
    assert genkit("records", "export", "--format", form, "--out", "-").out == text
    rows = {
        "csv": lambda: list(csv.DictReader(io.StringIO(text))),
        "jsonl": lambda: [json.loads(line) for line in text.splitlines()],
        "json": lambda: json.loads(text),
    }[form]()
    assert len(rows) == (4 if form == "csv" else 2)


def test_export_prints_csv_and_says_what_it_leaves_out(genkit, runs):
    (runs / "a" / "records" / "broken.json").write_text("{")
    shown = genkit("records", "export")
    assert shown.code == 0
    assert shown.out.startswith("record,created,dataset,") and len(shown.out.splitlines()) == 5
    assert shown.err.startswith("left out: runs/a/records/broken.json is not a record: ")


def test_export_holds_a_record_of_two_folders_once(genkit, runs, tmp_path):
    shutil.copytree(runs / "a", runs / "copy")
    assert len(genkit("records", "export", "--format", "jsonl").out.splitlines()) == 2


def test_export_refuses_what_it_cannot_write(genkit, runs, tmp_path):
    unsaid = genkit("records", "export", "--out", "all.txt")
    assert unsaid.code == 2 and "name it .csv, .jsonl or .json, or give --format" in unsaid.err
    assert genkit("records", "export", "--out", "all.txt", "--format", "json").code == 0
    nowhere = genkit("records", "export", "--out", "no/folder/all.csv")
    assert nowhere.code == 1 and nowhere.err == "Error: no/folder/all.csv can't be written: No such file or directory\n"
