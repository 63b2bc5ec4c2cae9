from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from making import record, training

from genkit.options import current_names
from genkit.results import locations
from genkit.results.jobs import Job, Outcome, failures, outcome, outcomes

JOB = Job("vae", "genkit-vaes", "1", {"latent": 2}, "sha", 0, 1000, 64, {"metrics": ["fid"]})
BOARDS = Path(__file__).parents[1] / "fixtures" / "boards"


def made(name="vae", *, sha="sha", options=None, dist="genkit-vaes", **trained):
    """A record of JOB, but for the arguments."""
    trained = {"images": 1000, "budget": "1,000 images", **trained}
    return record(
        name,
        options=options or {"latent": 2},
        dist=dist,
        trained=training(**trained),
        protocol={"data": {"sha256": sha}} if sha else {},
    )


@pytest.fixture
def board(tmp_path):
    """A folder in which JOB has failed."""
    Outcome(JOB, "failed", reason="it diverged").publish(tmp_path / "jobs")
    return tmp_path


def failed(root, *records):
    """What failed, on a board that also has a record of the data which is of no job."""
    return [each.job for each in failures(root, [record("real test", protocol=made().protocol), *records])]


def test_junk_among_outcomes_is_passed_over(board, monkeypatch, caplog):
    jobs = board / "jobs"
    (jobs / "a.json").mkdir()
    good = (jobs / f"{JOB.id}.json").read_text()
    for name, text in {"b.json": "{", "c.txt": good, ".d.json": good, f".{JOB.id}.lock": ""}.items():
        (jobs / name).write_text(text)
    Outcome(dataclasses.replace(JOB, seed=1), "done").publish(jobs)
    forbidden = jobs / f"{dataclasses.replace(JOB, seed=1).id}.json"
    assert len(outcomes(board)) == 2
    content = locations._content
    monkeypatch.setattr(locations, "_content", lambda path: "Denied" if str(path) == str(forbidden) else content(path))
    assert [each.job for each in outcomes(board)] == [JOB]
    assert f"{board}/jobs/{forbidden.name} can't be read: Denied" in caplog.messages


def test_an_outcome_that_is_not_what_was_written_is_named_once_and_its_job_is_to_do(board, caplog):
    path = board / "jobs" / f"{JOB.id}.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"failed"', b'"filled"'))
    assert outcomes(board) == outcomes(board) == [] and outcome(board / "jobs", JOB) is None
    (line,) = [each.getMessage() for each in caplog.records]
    assert line == (
        f"{path} can't be read as how a job ended: it was changed or damaged since it was written: "
        "genkit bench does the job again"
    )
    document = json.loads(whole)
    del document["own_sha256"]  # as of before
    path.write_text(json.dumps(document))
    assert outcome(board / "jobs", JOB) == outcomes(board)[0]


def test_the_outcomes_of_a_board_are_found_by_a_url(board, monkeypatch):
    assert failed(f"file://{board}") == failed(str(board)) == failed(board) == [JOB]
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    (path,) = (board / "jobs").iterdir()
    for name in (path.name, f".{path.name}", f"deeper/{path.name}"):
        MemoryFileSystem().pipe_file(f"board/jobs/{name}", path.read_bytes())
    assert failed("memory://board") == [JOB]


@pytest.mark.parametrize("root", ["nowhere", "memory://nowhere", "memroy://x"])
def test_a_root_that_is_not_there_has_none(root):
    assert outcomes(root) == []


def test_a_failure_on_other_data_is_of_another_board(board):
    assert failures(board, [made(sha="other"), made(sha="")]) == ()


@pytest.mark.parametrize(
    "good",
    [
        made(),
        made(images=1024, budget="30 minutes"),
        made(images=0),  # a closed form
        dataclasses.replace(made(), subject=dataclasses.replace(made().subject, version="2")),
    ],
    ids=["same", "as long", "closed form", "mended"],
)
def test_a_failure_that_was_made_good_is_not_told(board, good):
    assert failed(board, good) == []


@pytest.mark.parametrize(
    "other",
    [
        made("gan"),
        made(dist="another"),
        made(seed=1),
        made(options={"latent": 3}),
        made(sha="other"),
        made(images=999, budget="999 images"),
        made(images=500, finished=False),
        record("vae", kind="images", dist="genkit-vaes", options={"latent": 2}, protocol=made().protocol),
    ],
    ids=["model", "dist", "seed", "options", "data", "budget", "milestone", "images"],
)
def test_another_record_makes_no_failure_good(board, other):
    assert failed(board, other) == [JOB]


@pytest.mark.parametrize("board", ["digits", "mnist"])
def test_a_job_keeps_its_id_when_options_are_renamed(board):
    """Board folders hold jobs of before the renaming; their files are found under the ids of jobs planned today."""
    files = {path.stem for path in (BOARDS / board / "jobs").glob("*.json")}
    old = [each.job for each in outcomes(BOARDS / board)]
    assert any("discriminator_turns" in job.options for job in old)
    for job in old:
        new = dataclasses.replace(job, options=current_names(job.options))
        assert "discriminator_turns" not in new.options
        assert new.id == job.id
        assert new.id in files


def test_a_failure_is_made_good_by_a_record_with_the_options_old_names(tmp_path):
    job = dataclasses.replace(JOB, options={"d_steps": 5})
    Outcome(job, "failed", reason="it diverged").publish(tmp_path / "jobs")
    assert failed(tmp_path, made(options={"discriminator_turns": 1})) == [job]
    assert failed(tmp_path, made(options={"discriminator_turns": 5})) == []
