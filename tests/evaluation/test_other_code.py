"""Tests of scoring and of the caches with a plugin's code: what moves a number is in the key and in the record."""

from __future__ import annotations

import dataclasses
import json

import foreign
import numpy as np
import pytest

from genkit.data import open_dataset
from genkit.evaluation.compare import compare
from genkit.evaluation.explain import explain
from genkit.ranking.board import rank
from genkit.registry import provenance
from genkit.report.text import leaderboard
from genkit.results.records import from_json, to_json
from genkit.results.store import read

SHADE = "shade"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def images():
    return np.random.default_rng(0).random((2, 30, 8, 8)).astype(np.float32)


def measured(place, images, folder=None, metric="fid", name="ours"):
    with foreign.installed(place):
        return compare(images[0], images[1], features=SHADE, metrics=[metric], name=name, folder=folder)


@pytest.fixture
def shifted(tmp_path):
    """A plugin, and the same with a constant added to its features, which can't move a distance."""
    return [
        foreign.write(tmp_path / "plain"),
        foreign.write(tmp_path / "shifted", {"stranger/shift.py": "SHIFT = 5.0\n"}),
    ]


def test_features_of_one_code_are_never_compared_with_those_of_another(shifted, images):
    first, second = (measured(place, images).record.scores[0] for place in shifted)
    assert second.value == pytest.approx(first.value, rel=1e-3)
    assert first.fingerprint != second.fingerprint
    assert first.choices["features.source_sha256"] == first.code["extractor.source"] != second.code["extractor.source"]
    assert (first.code["extractor.dist"], first.code["extractor.version"]) == ("stranger", "1.0")
    assert not any(key.startswith("metric.") for key in first.code)


def test_features_are_kept_for_a_version_of_the_distribution(tmp_path, images):
    folders = tmp_path / "cache" / "seen" / "reference"
    for version in ("1.0", "1.0", "2.0"):
        measured(foreign.write(tmp_path / version, version=version), images)
    assert len(list(folders.iterdir())) == 2


def test_what_a_plugin_s_metric_keeps_with_the_reference_is_for_its_code_alone(tmp_path, images):
    places = [
        foreign.write(tmp_path / str(factor), {"stranger/metric.py": foreign.METRIC.replace("= 0", f"= {factor}")})
        for factor in (0, 3)
    ]
    first, second = (measured(place, images, metric="gap").record.scores[0] for place in places)
    assert second.value > first.value + 3
    assert first.fingerprint == second.fingerprint
    assert first.code["metric.source"] != second.code["metric.source"]


def test_what_code_without_sources_computes_is_not_kept(tmp_path, images, monkeypatch):
    def refuse(*arguments):
        raise provenance.Unreadable("module stranger has no file")

    monkeypatch.setattr(provenance, "_hash", refuse)
    place = foreign.write(tmp_path / "plain")
    first, second = (measured(place, images, metric="gap").record.scores[0] for _ in range(2))
    assert first.value == second.value
    assert first.fingerprint != second.fingerprint  # of two imports
    assert first.code["metric.source"].startswith("unreadable-")
    assert not (tmp_path / "cache" / "seen").exists()


def test_a_record_keeps_the_code_and_records_without_it_stay_as_they_were(shifted, images):
    record = measured(shifted[0], images).record
    again = from_json(to_json(record), "record")
    assert again.scores[0].code == record.scores[0].code
    own = dataclasses.replace(record, scores=(dataclasses.replace(record.scores[0], code={}),))
    assert "code" not in json.loads(to_json(own))["scores"][0]


@pytest.fixture
def files(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), np.uint8))
    return path


def against_digits(place, files, folder, **options):
    with foreign.installed(place):
        return compare(files, "digits", **{"features": SHADE, "folder": folder, **options}).path


def test_explain_names_the_code_that_differs(tmp_path, shifted, files):
    new = foreign.write(tmp_path / "new", {"stranger/metric.py": foreign.METRIC.replace("= 0", "= 3")}, version="2.0")
    paths = [against_digits(place, files, tmp_path / "records", metrics=["gap"]) for place in (*shifted, new)]
    (found,) = explain(paths[0], paths[1])
    assert [change.choice for change in found.changes] == ["features.source_sha256"]
    assert found.reason == "they differ in features.source_sha256, which can't be changed here"
    (found,) = explain(paths[0], paths[2])
    assert [change.choice for change in found.changes] == ["metric.version", "metric.source"]
    assert (found.changes[0].before, found.changes[0].after) == ("1.0", "2.0")
    assert "metric.source" in found.reason


def test_explain_measures_nothing_again_by_code_that_is_not_the_record_s(tmp_path, shifted, files):
    paths = [
        against_digits(shifted[0], files, tmp_path / "records", metrics=["fid"], count=count) for count in (20, 30)
    ]
    with foreign.installed(shifted[0]):
        (found,) = explain(*paths)
        assert found.reason == ""
    with foreign.installed(shifted[1]):
        (found,) = explain(*paths)
    assert found.reason == "the extractor's code has changed since, or can't be read: install stranger 1.0 as it was"
    assert [change.value for change in found.changes] == [None]


def test_a_board_says_that_a_column_is_of_different_code(tmp_path, images):
    for name, metric in (("one", foreign.METRIC), ("two", foreign.METRIC.replace("= 0", "= 3"))):
        measured(foreign.write(tmp_path / name, {"stranger/metric.py": metric}), images, tmp_path / "runs", "gap", name)
    board = rank([dataclasses.replace(each, dataset="set") for each in read(tmp_path / "runs").records])
    (codes,) = board.mixed_code.values()
    assert len(codes) == 2
    (line,) = [line for line in leaderboard(board).splitlines() if "different code" in line]
    assert line.startswith("  gap[shade]: measured by different code of a plugin (stranger 1.0 ")
    alone = rank([board.rows[0].records[0]])
    assert alone.mixed_code == {}


def test_a_plugin_s_data_set_is_packed_again_when_its_code_changes(tmp_path):
    hashes = []
    for step in (5, 6, 5):
        place = foreign.write(
            tmp_path / str(step), {"stranger/data.py": foreign.DATA.replace("STEP = 5", f"STEP = {step}")}
        )
        with foreign.installed(place):
            hashes.append(open_dataset("ramps").sha256)
    assert hashes[0] == hashes[2] != hashes[1]
    assert len(list((tmp_path / "cache" / "data" / "index").iterdir())) == 2
