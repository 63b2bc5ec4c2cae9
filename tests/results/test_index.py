from __future__ import annotations

import copy
import hashlib
import json
import pickle
import random
from dataclasses import replace
from pathlib import Path

import pytest
from making import record, score, training

import genkit
from genkit.errors import GenkitError
from genkit.results import index, store
from genkit.results.packing import Shape
from genkit.results.records import from_json, to_json

BOARDS = Path(__file__).parents[2] / "benchmarks" / "results"
CREATED = "2026-01-01T00:00:{:02d}+00:00"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A cache of its own, and an index for the smallest of stores."""
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "LEAST", 1)


@pytest.fixture
def parsed(monkeypatch):
    """The paths of the records that were parsed, not taken from the index."""
    seen = []

    def parse(data, origin, known_id=""):
        seen.append(origin)
        return from_json(data, origin, known_id)

    monkeypatch.setattr(index, "from_json", parse)
    return seen


def the_file(tmp_path):
    (path,) = (tmp_path / "cache" / "records").iterdir()
    return path


def various(seed, count=12):
    """Records of all shapes, with numbers and texts at random."""
    draw = random.Random(seed)
    for number in range(count):
        scores = [
            score(
                draw.uniform(0.1, 9),
                name=f"{name}[digits-cnn]" if draw.random() < 0.7 else name,
                replicates=tuple(draw.gauss(5, 1) for _ in range(draw.choice([0, 5, 40]))),
                parts={f"class {each}": draw.random() for each in range(draw.choice([0, 0, 3]))},
                rankable=draw.random() < 0.9,
                note=draw.choice(["", "too few \u00e9 \u4e2d \U0001f600 images", "line\nbreak"]),
                choices={
                    "samples.count": draw.choice([1, 5000]),
                    "parameters.k": draw.choice([1, 1.0, True, [2.5, {}]]),
                },
                n=draw.choice([0, 5000, 10**20]),
            )
            for name in draw.sample(["fid", "kid", "recall", "nll", "vendi"], draw.randint(1, 5))
        ]
        options = draw.choice([None, {"width": draw.randint(1, 3), "rate": 1e-3, "deep": {"a": [None]}}])
        trained = training(seed=number % 3, images=draw.choice([10, 400_000]), finished=draw.random() < 0.8)
        yield record(
            f"model {draw.randint(1, 4)}",
            *scores,
            kind=draw.choice(["model", "model", "baseline", "images"]),
            options=options,
            trained=draw.choice([None, trained, replace(trained, sampling={"steps": 5})]),
            created=CREATED.format(number),
            absent=draw.choice([{}, {"nll": "no likelihood"}]),
            command=draw.choice(["", "genkit eval"]),
        )


def board(root):
    """All that a store's leaderboard shows, or the reason why there is none."""
    try:
        found = genkit.leaderboard(root)
        page = found.html().split("made ")  # the page says when it was made
        return repr(found), found.board, found.agreement, [part[20:] for part in page], found.records
    except GenkitError as error:
        return str(error)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_board_is_the_same_from_an_index(name, tmp_path, parsed, monkeypatch):
    from genkit.report import page

    class Clock(page.datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2026, 1, 1, tzinfo=zone)

    monkeypatch.setattr(page.datetime, "datetime", Clock)
    first = board(BOARDS / name)
    assert parsed
    parsed.clear()
    assert board(BOARDS / name) == first
    assert parsed == []
    for one in store.read(BOARDS / name).records:
        (path,) = BOARDS.joinpath(name).rglob(f"records/*-{one.id}.json")
        known = from_json(path.read_bytes(), "", one.id)
        assert one == known
        assert to_json(one) == to_json(known)


@pytest.mark.parametrize("seed", range(8))
def test_records_at_random_are_the_same_from_an_index(seed, tmp_path, parsed):
    made = list(various(seed))
    for each in made:
        store.add(tmp_path / "runs", each)
    once = store.read(tmp_path / "runs")
    parsed.clear()
    twice = store.read(tmp_path / "runs")
    assert parsed == []
    assert twice == once
    assert twice.records == made
    for one, read in zip(made, twice.records, strict=True):
        assert to_json(read) == to_json(one)
        assert [each.fingerprint for each in read.scores] == [each.fingerprint for each in one.scores]
        assert repr(read) == repr(one)


@pytest.mark.parametrize("asked", [None, "fid"])
def test_a_board_makes_the_scores_alone_that_it_needs(asked, tmp_path, monkeypatch):
    names = ["fid", *(f"metric-{number}" for number in range(19))]
    for number in range(6):
        store.add(tmp_path / "store", record(f"model-{number}", *(score(1.0 + number, name=name) for name in names)))
    made = []
    monkeypatch.setattr(Shape, "score", lambda *given, real=Shape.score: made.append(given) or real(*given))
    found = genkit.leaderboard(tmp_path / "store", score=asked)
    repr(found)
    assert (
        len(found.board.rows) == 6 and len(made) == 6 + 2 * 19
    )  # each row's score, and of each column the newest and the first


def test_old_intervals_are_the_same_from_an_index(tmp_path, parsed):
    old = score(5.0, method="bias-corrected block jackknife", replicates=tuple(5 + each / 9 for each in range(8)))
    store.add(tmp_path / "runs", record("old", old))
    (first,), (second,) = (store.read(tmp_path / "runs").records for _ in range(2))
    assert len(parsed) == 1
    assert second == first and second.scores[0].method == "block jackknife"


def test_a_record_from_an_index_can_be_copied_and_sent(tmp_path):
    one = record("a", score(1.0, replicates=(1.0, 2.0), parts={"cat": 3.0}))
    store.add(tmp_path / "runs", one)
    (read,) = store.read(tmp_path / "runs").records
    assert copy.deepcopy(read) == pickle.loads(pickle.dumps(read)) == one
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        read.scores[0].colour  # noqa: B018


@pytest.mark.parametrize("keeps_times", [False, True])
def test_an_edited_record_is_noticed_although_the_index_is_there(tmp_path, keeps_times):
    import os

    one = record("a", score(38.5))
    path = store.add(tmp_path / "runs", one)
    store.read(tmp_path / "runs")
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"38.5", b"25.4"))
    if keeps_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    contents = store.read(tmp_path / "runs")
    assert 38.5 not in [each.scores[0].value for each in contents.records]
    the_file(tmp_path).unlink()
    assert contents == store.read(tmp_path / "runs")


def test_an_index_that_is_damaged_in_any_byte_is_made_again(tmp_path, parsed, caplog):
    made = list(various(1, 3))
    for each in made:
        store.add(tmp_path / "runs", each)
    store.read(tmp_path / "runs")
    whole = the_file(tmp_path).read_bytes()
    draw = random.Random(0)
    damaged = [whole[:cut] for cut in (0, 1, 65, 200, len(whole) - 1)] + [whole + b"x"]
    for _ in range(60):
        place = draw.randrange(len(whole))
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
    for each in damaged:
        the_file(tmp_path).write_bytes(each)
        parsed.clear()
        caplog.clear()
        assert store.read(tmp_path / "runs").records == made
        assert len(parsed) == 3
        assert "is damaged, and made again" in caplog.text
        assert the_file(tmp_path).read_bytes() == whole


def test_an_index_that_other_code_made_is_made_again(tmp_path, parsed, monkeypatch):
    store.add(tmp_path / "runs", record("a", score(1.0)))
    store.read(tmp_path / "runs")
    monkeypatch.setattr(index, "_code", lambda: "another version")
    parsed.clear()
    store.read(tmp_path / "runs")
    store.read(tmp_path / "runs")
    assert len(parsed) == 1


def test_an_index_follows_its_store(tmp_path, parsed, monkeypatch):
    paths = [store.add(tmp_path / "runs", record(name, score(1.0))) for name in "abcd"]
    store.read(tmp_path / "runs")
    added, paths[0] = store.add(tmp_path / "runs", record("e", score(2.0))), paths[0].unlink()
    parsed.clear()
    for _ in range(2):
        assert [each.subject.name for each in store.read(tmp_path / "runs").records] == list("bcde")
    assert parsed == [str(added)]
    for path in (added, *paths[1:3]):
        path.unlink()
    store.read(tmp_path / "runs")
    assert len(index.Index(tmp_path / "runs").entries) == 1


def test_a_few_records_need_no_index(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "LEAST", 3)
    for name in "ab":
        store.add(tmp_path / "runs", record(name, score(1.0)))
    store.read(tmp_path / "runs")
    assert not (tmp_path / "cache").exists()
    store.add(tmp_path / "runs", record("c", score(1.0)))
    store.read(tmp_path / "runs")
    assert the_file(tmp_path).is_file()


def test_an_index_that_cannot_be_written_is_none(tmp_path, monkeypatch):
    one = record("a", score(1.0))
    store.add(tmp_path / "runs", one)
    (tmp_path / "cache").write_text("no folder")
    assert store.read(tmp_path / "runs").records == [one]


def test_nothing_is_written_to_the_store(tmp_path):
    path = store.add(tmp_path / "runs", record("a", score(1.0)))
    store.read(tmp_path / "runs")
    assert [each for each in (tmp_path / "runs").rglob("*") if each.is_file()] == [path]


def test_writers_at_once_leave_a_whole_index(tmp_path, parsed):
    made = [record(name, score(1.0)) for name in "abc"]
    for each in made:
        store.add(tmp_path / "runs", each)
    one, other = index.Index(tmp_path / "runs"), index.Index(tmp_path / "runs")
    for known, some in ((one, made), (other, made[:2])):
        for each in some:
            data = to_json(each).encode()
            known.record(data, "", hashlib.sha256(data).hexdigest())
    one.save()
    other.save()
    parsed.clear()
    assert store.read(tmp_path / "runs").records == made
    assert len(parsed) == 1


def test_a_remote_store_has_an_index_too(url, parsed):
    one = record("a", score(1.0))
    store.add(url, one)
    for _ in range(2):
        assert store.read(url).records == [one]
    assert len(parsed) == 1
    assert json.loads(to_json(one))["scores"][0]["value"] == 1.0
