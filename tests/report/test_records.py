from __future__ import annotations

import csv
import io
import json

import pytest
from making import record, score, training

from genkit.report import records
from genkit.results import store
from genkit.results.records import from_json


@pytest.fixture
def stored(tmp_path):
    """Two records, one of images: three scores."""
    trained = training(seed=3, run="7f3a")
    first = record("vae", score(-2.5), score(1e-9, name="mse", note="n"), trained=trained, options={"z": [1, 2]})
    store.add(tmp_path, first)
    store.add(tmp_path, record("=HYPERLINK(1)", score(1.0, note="@x\ry"), kind="images"))
    return sorted(store.scan(tmp_path, pytest.fail), key=lambda each: each.record.created)


def test_csv_has_a_row_for_each_score(stored):
    rows = list(csv.DictReader(io.StringIO(records.comma_separated(stored))))
    assert [row["score"] for row in rows] == ["fid[digits-cnn]", "mse", "fid[digits-cnn]"]
    one = stored[0].record
    assert rows[0] == {
        "record": one.id,
        "created": one.created,
        "dataset": "digits",
        "kind": "model",
        "model": "vae",
        "dist": "genkit-gans",
        "version": "",
        "options": '{"z": [1, 2]}',
        "run": "7f3a",
        "seed": "3",
        "images": "400000",
        "budget": "400,000 images",
        "train_seconds": "60.0",
        "weights": "ema",
        "checkpoint_sha256": "0" * 64,
        "score": "fid[digits-cnn]",
        "metric": "fid",
        "value": "-2.5",
        "stderr": repr(1 / 1.96),
        "ci_low": "-3.5",
        "ci_high": "-1.5",
        "method": "two-sample block jackknife",
        "n": "5000",
        "direction": "lower",
        "unit": "",
        "fingerprint": one.scores[0].fingerprint,
        "rankable": "True",
        "note": "",
        "protocol_fingerprint": one.protocol_fingerprint,
    }
    assert rows[2]["run"] == rows[2]["seed"] == rows[2]["checkpoint_sha256"] == ""
    assert rows[2]["kind"] == "images"


def test_no_cell_is_run_as_a_formula(stored):
    row = list(csv.DictReader(io.StringIO(records.comma_separated(stored))))[2]
    assert (row["model"], row["note"]) == ("'=HYPERLINK(1)", "'@x\\ry")


def test_json_and_json_lines_hold_the_records_as_they_were_written(stored):
    lines = records.lines(stored).splitlines()
    assert [from_json(line, "x") for line in lines] == [each.record for each in stored]
    written = [json.loads(each.data) for each in stored]
    assert [json.loads(line) for line in lines] == json.loads(records.document(stored)) == written
