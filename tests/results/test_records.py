"""Records, and documents.py that reads them.

Tests records and documents of genkit.results.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from making import record, score, training
from memory import peak

from genkit.errors import DataError
from genkit.results.records import SCHEMA, from_json, to_json

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


def test_an_unknown_field_may_hold_anything():
    plain = document()
    plain["colour"] = float("nan")
    assert from_json(json.dumps(plain), "x").subject.name == "dcgan"


@pytest.mark.parametrize("text", ["\x7f", "é", "😀"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_strings_are_those_of_the_standard_librarys_json(text, ascii_only):
    plain = document()
    plain["protocol"]["data"]["name"] = text
    assert from_json(json.dumps(plain, ensure_ascii=ascii_only), "x").protocol["data"]["name"] == text


@pytest.mark.parametrize("encoded", [lambda text: text, lambda text: text.encode("utf-8", "surrogatepass")])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_half_a_surrogate_pair_is_refused(ascii_only, encoded):
    for spoil in ({"dataset": "a\ud800"}, {"protocol": {"data": {"\udc00": 1}}}):
        text = encoded(json.dumps({**document(), **spoil}, ensure_ascii=ascii_only))
        with pytest.raises(
            DataError, match=r"^here\.json is not a record: it holds '\\ud[8c]00', half a surrogate pair$"
        ):
            from_json(text, "here.json")


@pytest.mark.parametrize("number", ["5e-324", "2.2250738585072011e-308", "0.1", "9007199254740993.0", "1" + "0" * 400])
def test_numbers_are_those_of_the_standard_librarys_json(number):
    text = json.dumps(document() | {"protocol": {"samples": {"width": 5000}}}).replace("5000", number, 1)
    assert from_json(text, "x").protocol["samples"]["width"] == json.loads(number)
    within = json.dumps(document() | {"protocol": {"samples": {"width": [1, 5000]}}}).replace("5000", number, 1)
    assert from_json(within, "x").protocol["samples"]["width"] == [1, json.loads(number)]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["protocol"]["data"].update(sha256={}), "data.sha256 is {}, not text, in its protocol"),
        (lambda d: d["protocol"]["samples"].update(count="many"), 'samples.count is "many", not a whole number,'),
        (lambda d: d["protocol"].update(features={"extractor": ["a"]}), r'features.extractor is \["a"\], not text'),
        (lambda d: d["protocol"].update(parameters={"fid": 3}), "parameters.fid is 3, not an object, in its protocol"),
        (lambda d: d["protocol"].update(other={"a": {}}), "other.a is {}, not a plain value, in its protocol"),
        (
            lambda d: d["scores"][0]["choices"].update({"features.extractor": ["a"]}),
            r'features.extractor is \["a"\], not text, in the choices of fid',
        ),
        (lambda d: d["scores"][0].update(replicates=[1.0, 1e308]), r"it holds numbers beyond 1e\+100"),
        (lambda d: d["scores"][0].update(parts={"a": 1e308}), r"it holds numbers beyond 1e\+100"),
        (lambda d: d["training"].update(images=10**400), r"it holds numbers beyond 1e\+100"),
        (lambda d: d["subject"].update(options=nested(400)), "it is nested more than 320 deep"),
    ],
)
def test_a_choice_of_a_wrong_type_and_numbers_too_large_to_compute_with_are_named(spoil, words):
    plain = document()
    spoil(plain)
    with pytest.raises(DataError, match=rf"^here\.json is not a record: {words}"):
        from_json(json.dumps(plain), "here.json")


def nested(depth):
    made = {}
    for _ in range(depth):
        made = {"a": made}
    return made


def test_options_may_be_nested_deeply():
    deep = 1
    for _ in range(300):
        deep = [deep]
    plain = document()
    plain["subject"]["options"] = {"deep": deep}
    assert from_json(json.dumps(plain), "x").subject.options == {"deep": deep}
    with pytest.raises(DataError, match="not finite"):
        from_json(json.dumps(plain).replace("[1]", "[1e999]"), "x")


def test_the_id_is_that_of_the_file_where_it_is_known():
    one = record("vae", score(2.0))
    read = from_json(to_json(one), "x", known_id="of its file")
    assert read.id == "of its file" and read == one
    assert dataclasses.replace(read).id == one.id == from_json(to_json(one), "x").id


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
def test_an_invalid_record_is_one_sentence(text):
    with pytest.raises(DataError, match=r"^here\.json is not a record: "):
        from_json(text, "here.json")


@pytest.mark.parametrize("wrong", [{"scores": [0] * 400_000}, {"absent": dict.fromkeys(map(str, range(400_000)), 0)}])
def test_a_record_of_which_all_is_wrong_takes_no_memory_for_each_fault(wrong):
    text = json.dumps({**document(), **wrong})
    said, taken = peak(lambda: from_json(text, "here.json"))
    assert said.startswith("here.json is not a record: ") and taken < 150_000_000


def test_more_values_than_memory_is_given_to_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setenv("GENKIT_MAX_MEMORY", "2")
    text = json.dumps({**document(), "unknown": [0] * 100_000})
    with pytest.raises(DataError, match=r"^here\.json is not a record: it would take more than 2 MB of memory"):
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
