"""genkit.bench: a file in, a leaderboard and its two pages out. What the command says is in tests/cli/test_bench.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from genkit.benchmark import bench, open_benchmark
from genkit.errors import GenkitError
from genkit.results.maintenance import mark

BOARD = """
dataset = "digits"
images = 640
metrics = ["mse"]
count = 50
[[models]]
name = "vae"
[[models]]
name = "ppca"
"""


def test_a_board_is_run_ranked_and_written_once(forked):
    Path("b.toml").write_text(BOARD)
    told = []
    found = bench("b.toml", device="cpu", on_job=lambda job, ended: told.append((job.model, ended.state)))
    assert told == [("vae", "done"), ("ppca", "done")]
    assert [row.label for row in found.board.rows] == ["vae"]
    assert "vae" in Path("boards/b/board.md").read_text()
    assert "vae" in Path("boards/b/report.html").read_text()
    board, page = (Path("boards/b", name).read_text().splitlines()[-1] for name in ("board.md", "report.html"))
    assert board == page == mark(found.records).decode().strip()
    Path("b.toml").write_text(BOARD.replace('[[models]]\nname = "vae"\n', ""))
    shorter = open_benchmark("b.toml")
    assert [ended.state for ended in shorter.outcomes] == ["done"]
    assert (shorter.failed, [each.job.model for each in shorter.unlisted]) == ([], ["vae"])
    assert set(shorter.throughputs()) == {"vae", "ppca"}


def test_a_board_without_one_good_job_is_an_error(forked, monkeypatch):
    def broken(*arguments, **named):
        raise RuntimeError("no luck")

    monkeypatch.setattr("genkit_vaes.vae.DenseVAE.loss", broken)
    Path("b.toml").write_text(BOARD.rpartition("[[models]]")[0])
    with pytest.raises(GenkitError, match="no job of b.toml succeeded"):
        bench("b.toml", out="elsewhere", device="cpu")
    (job,) = open_benchmark("b.toml", out="elsewhere").failed
    assert job.model == "vae"
