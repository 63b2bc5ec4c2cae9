from __future__ import annotations

import csv
import io
import json

import pytest
from making import CHOICES, record, score

from genkit.ranking.board import rank
from genkit.report.tabular import comma_separated, document


def test_a_column_stands_once_in_a_csv():
    scores = [score(1.0), score(9.0, name="parameters"), score(8.0, name="train_seconds"), score(7.0, name="mse")]
    header = comma_separated(rank([record("a", *scores)], score="fid[digits-cnn]")).splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert "mse" in header


def board(name="a"):
    return rank(
        [
            record(name, score(1.0), score(0.5, name="mse")),
            record("b", score(20.0)),
            record("noise", score(99.0), kind="baseline"),
            record("c", score(1.0, choices={**CHOICES, "samples.count": 1000})),
        ],
        score="fid[digits-cnn]",
    )


def test_the_document_is_plain_json():
    plain = json.loads(json.dumps(document(board()), allow_nan=False))
    assert [(row["kind"], row["model"], row["rank_best"], row["value"]) for row in plain["rows"]] == [
        ("model", "a", 1, 1.0),
        ("model", "b", 2, 20.0),
        ("baseline", "noise", None, 99.0),
    ]
    assert plain["rows"][0]["scores"] == {"mse": 0.5}
    assert plain["left_out"][0]["reason"] == "samples.count 1000 / 5000"


def test_csv_has_one_line_per_row_and_empty_cells_for_nothing():
    rows = list(csv.DictReader(io.StringIO(comma_separated(board('a,\n"b"')))))
    assert [row["model"] for row in rows] == ['a,\\n"b"', "b", "noise"]
    assert [row["mse"] for row in rows] == ["0.5", "", ""]
    assert float(rows[0]["value"]) == 1.0
    assert rows[2]["rank_best"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " @"])
def test_no_text_is_a_formula(start):
    name = f"{start}HYPERLINK()"
    text = comma_separated(rank([record(name, score(1.0), score(2.0, name=name))], score="fid[digits-cnn]"))
    header, row = csv.reader(io.StringIO(text, newline=""))
    shown = name.replace("\t", r"\t")
    assert f"'{shown}" in header
    assert f"'{shown}" in row
    assert name not in header + row


def test_a_carriage_return_does_not_end_a_row():
    rows = list(csv.DictReader(io.StringIO(comma_separated(board("a\rb")))))
    assert [row["model"] for row in rows] == ["a\\rb", "b", "noise"]


def test_negative_numbers_stay_numbers():
    text = comma_separated(rank([record("a", score(-3.5))]))
    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["value"]) == -3.5
