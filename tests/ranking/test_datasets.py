from __future__ import annotations

import pytest
from making import record, score

from genkit.errors import UnknownName
from genkit.ranking.datasets import choose_dataset, content, told_apart


def on(dataset, sha256):
    return record("dcgan", score(1.0), dataset=dataset, protocol={"data": {"sha256": sha256}})


def test_one_name_of_two_contents_is_told_apart_and_keeps_the_ids():
    given = [on("folder-train", "a" * 64), on("folder-train", "b" * 64), on("digits", "c" * 64), on("digits", "c" * 64)]
    apart = told_apart(given)
    assert [each.dataset for each in apart] == ["folder-train@aaaaaa", "folder-train@bbbbbb", "digits", "digits"]
    assert [each.id for each in apart] == [each.id for each in given]
    assert content(apart[1]) == "b" * 64


def test_of_several_contents_the_newest_is_taken_and_that_is_said(caplog):
    apart = told_apart([on("folder-train", "b" * 64), on("folder-train", "a" * 64)])
    assert choose_dataset(apart, "Folder-train") == "folder-train@aaaaaa"
    assert "is the name of 2 data sets: this is folder-train@aaaaaa" in caplog.text
    assert "also here: folder-train@bbbbbb" in caplog.text
    assert choose_dataset(apart, "folder-train@bbbbbb") == "folder-train@bbbbbb"


def test_names_are_found_in_any_case():
    records = [on("digits", "a" * 64), on("MNIST", "b" * 64)]
    assert choose_dataset(records, "Digits") == "digits"
    assert choose_dataset(records, "mnist") == "MNIST"
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        choose_dataset(records, "digit")
