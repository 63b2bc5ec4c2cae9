from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from making import record, score, training

from genkit.benchmark.engine import Engine
from genkit.registry.specs import EngineSpec
from genkit.results import store

BOARD = """
dataset = "digits"
images = 640
metrics = ["fid", "mse"]
count = 400
[[models]]
name = "vae"
[[models]]
name = "conv-vae"
"""


def test_a_board_is_planned_run_ranked_and_gone_on_with(genkit):
    Path("b.toml").write_text(BOARD)
    planned = genkit("bench", "b.toml", "--dry-run")
    assert planned.code == 0, planned.err
    assert planned.out.count("to do") == 2
    assert "conv-vae, vae, which never ran here" in planned.err
    assert not Path("boards").exists()
    done = genkit("bench", "b.toml", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert "2 jobs done, 0 failed" in done.err
    assert "done before" not in done.err
    rows = json.loads(done.out)["rows"]
    assert {row["model"] for row in rows if row["kind"] == "model"} == {"vae", "conv-vae"}
    assert {"real test", "noise", "copycat", "ppca"} < {row["model"] for row in rows}
    assert "Plotly" in Path("boards/b/report.html").read_text()
    assert "| vae |" in Path("boards/b/board.md").read_text()
    rows = json.loads(genkit("bench", "b.toml", "--dry-run", "--json").out)
    assert [row["state"] for row in rows] == ["done", "done"]
    again = genkit("bench", "b.toml")
    assert (again.code, "no longer lists" in again.err) == (0, False)
    assert again.err.count("seed 0  done before") == 2
    Path("b.toml").write_text(BOARD.rpartition("[[models]]")[0])
    assert "--runs boards/b/runs" in genkit("runs", "--runs", "boards/b").err
    shorter = genkit("bench", "b.toml")
    assert "holds 1 record of jobs that b.toml no longer lists (conv-vae)" in shorter.err


def test_a_board_is_kept_in_a_folder(genkit):
    Path("b.toml").write_text(BOARD)
    done = genkit("bench", "b.toml", "--out", "memory://boards")
    assert (done.code, "is a URL" in done.err) == (2, True)


def test_the_time_that_jobs_will_take_is_known_from_a_store_anywhere(genkit, monkeypatch, digits):
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    data = {"data": {"name": "digits", "sha256": digits.sha256}}
    for name, protocol in (("vae", data), ("conv-vae", {})):
        trained = training(images=6400, seconds=20.0)
        store.add("memory://runs", record(name, score(1.0), trained=trained, protocol=protocol))
    monkeypatch.setenv("GENKIT_RUNS", "memory://runs")
    Path("b.toml").write_text(BOARD)
    planned = genkit("bench", "b.toml", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert {row["model"]: row["seconds"] for row in json.loads(planned.out)} == {"vae": 2, "conv-vae": None}


def test_a_board_of_which_a_job_fails_is_ranked_and_exits_with_1(genkit):
    models = "[[models]]\nname = 'vae'\noptions.learning_rate = 1e30\n[[models]]\nname = 'ppca'\n"
    Path("b.toml").write_text(BOARD.partition("[[models]]")[0] + models)
    failed = genkit("bench", "b.toml", "--device", "cpu", "--json")
    assert failed.code == 1
    assert any(row["model"].startswith("ppca") for row in json.loads(failed.out)["rows"])
    assert "Error: 1 of 2 jobs failed: --retry runs them again" in failed.err


def test_a_board_of_which_no_job_succeeds_says_so(genkit):
    Path("b.toml").write_text(
        BOARD.partition("[[models]]")[0] + "[[models]]\nname = 'vae'\noptions.learning_rate = 1e30\n"
    )
    failed = genkit("bench", "b.toml", "--device", "cpu")
    assert failed.code == 1
    assert "vae seed 0  failed  the loss of phase 'vae' is nan" in failed.err
    assert "no job of b.toml succeeded: --retry runs failed jobs again" in failed.err
    assert "0 jobs to do, 1 failed (--retry runs them again)" in genkit("bench", "b.toml", "--dry-run").err


def test_a_board_that_is_wrong_is_said_to_be(genkit):
    Path("b.toml").write_text(BOARD.replace("images = 640", "imges = 640"))
    refused = genkit("bench", "b.toml")
    assert refused.code == 2
    assert "b.toml has no option 'imges'. Did you mean 'images'?" in refused.err


def test_two_entries_of_one_model_are_told_apart_in_the_plan(genkit):
    twice = BOARD.replace('"conv-vae"', '"vae"').rstrip()
    Path("b.toml").write_text(twice + "\n[models.options]\nlatent = 7\n")
    planned = genkit("bench", "b.toml", "--dry-run")
    assert planned.code == 0, planned.err
    assert "latent=7" in planned.out and "latent=20" in planned.out


def test_an_engine_or_an_option_that_does_not_exist_is_refused(genkit):
    Path("b.toml").write_text(BOARD)
    for arguments, said in (
        (["--engine", "slrum"], "no engine named 'slrum'"),
        (["-e", "timeout_min=240"], "engine local has no option 'timeout_min'"),
        (["-e", "timeout_min"], "not of the form key=value"),
        (["--engine", "slrum", "--dry-run"], "no engine named 'slrum'"),
        (["-e", "timeout_min", "--dry-run"], "not of the form key=value"),
        (["--detach"], "leave --detach out"),
    ):
        refused = genkit("bench", "b.toml", *arguments)
        assert (refused.code, said in refused.err) == (2, True), refused.err


class Waiting(Engine):
    """A queue in which nothing ever runs, until Ctrl-C is pressed."""

    lasting, pause = True, 0.0

    def __init__(self, request):
        self.request, self.cancelled = request, 0

    def submit(self, name, task):
        return self

    @property
    def log(self):
        return None

    def done(self):
        signal.raise_signal(signal.SIGINT)
        return False

    def cancel(self):
        self.cancelled += 1


@pytest.mark.parametrize(
    ("terminal", "answer", "arguments", "asked", "cancelled"),
    [
        ("open", True, (), 1, 1),
        ("open", False, (), 1, 0),
        ("open", True, ("--detach",), 0, 0),
        ("none", None, (), 0, 1),
        ("closed meanwhile", None, (), 0, 0),
    ],
)
def test_ctrl_c_asks_on_a_terminal_whether_to_cancel(
    genkit, monkeypatch, terminal, answer, arguments, asked, cancelled
):
    Path("b.toml").write_text(BOARD.rpartition("[[models]]")[0])
    made, questions = [], []
    monkeypatch.setattr(EngineSpec, "load", lambda self: lambda request: made.append(Waiting(request)) or made[-1])
    monkeypatch.setattr("genkit.benchmark.runner.find_engine", lambda name: EngineSpec(name, "of:plugin"))
    there = {"open": lambda: True, "none": lambda: False, "closed meanwhile": lambda: not made}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=there[terminal]))
    monkeypatch.setattr("genkit.cli.bench.agreed", lambda text, **how: questions.append(text) or answer)
    stopped = genkit("bench", "b.toml", "-e", "a=[1]", *arguments)
    assert stopped.code == 130
    assert (len(questions), made[0].cancelled) == (asked, cancelled)
    assert all(text.startswith("cancel the jobs that local has (1)?") for text in questions)
    assert made[0].request.options == {"a": [1]}
    assert ("jobs left with local: 1" in stopped.err) == (not cancelled)
