from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from making import record, score, training

from genkit.errors import DataError
from genkit.records import SCHEMA, from_json, to_json

OLD = sorted((Path(__file__).parent / "records").glob("*.json"))


def document():
    return json.loads(to_json(record("dcgan", score(2.0, replicates=(1.0, 3.0)), trained=training())))


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.name)
def test_old_records_load_for_ever(path):
    text = path.read_text()
    loaded = from_json(text, str(path))
    assert loaded.subject.name == "dcgan"
    assert loaded.score("fid[digits-cnn]").replicates
    plain = json.loads(text)
    assert [each.fingerprint for each in loaded.scores] == [each["fingerprint"] for each in plain["scores"]]
    assert loaded.protocol_fingerprint == plain["protocol_fingerprint"]


def test_there_is_an_old_record_of_every_schema():
    assert {json.loads(path.read_text())["schema"] for path in OLD} == set(range(1, SCHEMA + 1))


def test_a_record_round_trips():
    one = record(
        "vae", score(2.0, replicates=(1.0, 3.0), note="n"), score(1e-9, name="mse"), options={"widths": [1, 2]}
    )
    again = from_json(to_json(one), "x")
    assert again == one
    assert again.id == one.id


def test_the_id_changes_with_the_content():
    one = record("vae", score(2.0))
    assert dataclasses.replace(one, command="genkit eval").id != one.id


def test_unknown_fields_are_ignored():
    plain = document()
    plain["colour"] = plain["subject"]["colour"] = plain["scores"][0]["colour"] = {"deep": [1]}
    assert from_json(json.dumps(plain), "x").score("fid[digits-cnn]").value == 2.0


@pytest.mark.parametrize("missing", ["dataset", "subject", "scores", "created", "protocol"])
def test_a_missing_field_is_named(missing):
    plain = document()
    del plain[missing]
    with pytest.raises(DataError, match=rf"^here\.json is not a record: {missing}: "):
        from_json(json.dumps(plain), "here.json")


def test_a_future_schema_asks_for_an_update_whatever_its_shape():
    for plain in ({**document(), "schema": SCHEMA + 1}, {"schema": SCHEMA + 1, "all": "new"}):
        with pytest.raises(DataError, match=rf"schema {SCHEMA + 1}; this genkit reads up to {SCHEMA}: update genkit"):
            from_json(json.dumps(plain), "here.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "\x00", '{"schema": "x"}', "[" * 100_000, b"\xff\xfe{}"])
def test_what_is_no_record_is_one_sentence(text):
    with pytest.raises(DataError, match=r"^here\.json is not a record: "):
        from_json(text, "here.json")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain["scores"][0].update(value="NUMBER"),
        lambda plain: plain["scores"][0].update(ci_high="NUMBER"),
        lambda plain: plain["scores"][0]["replicates"].append("NUMBER"),
        lambda plain: plain["scores"][0]["choices"].update(k="NUMBER"),
        lambda plain: plain["protocol"]["data"].update(k="NUMBER"),
        lambda plain: plain["cost"].update(throughput="NUMBER"),
    ],
    ids=["value", "interval", "replicates", "choices", "protocol", "cost"],
)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(spoil, number):
    plain = document()
    spoil(plain)
    with pytest.raises(DataError, match="not a record"):
        from_json(json.dumps(plain).replace('"NUMBER"', number), "here.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_record_that_is_not_finite_is_never_written(value):
    for spoilt in (record("vae", score(value)), record("vae", score(1.0, choices={"k": value}))):
        with pytest.raises(DataError, match="record of vae holds a number that is not finite"):
            to_json(spoilt)


def test_the_fingerprint_covers_metric_and_version():
    base = score(1.0)
    assert base.fingerprint == score(9.0, half=3.0).fingerprint
    assert base.fingerprint != score(1.0, version=2).fingerprint
    assert base.fingerprint != score(1.0, metric="other").fingerprint
    assert base.fingerprint != score(1.0, choices={"samples.count": 1000}).fingerprint
