"""genkit.bench: a file in, a leaderboard and its two pages out. What the command says is in tests/cli/test_bench.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genkit.benchmark import bench, open_benchmark
from genkit.errors import GenkitError
from genkit.results.maintenance import mark
from genkit.training.runs import find_runs

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


@pytest.mark.parametrize(("choice", "left"), [("exclude_generated", 9), ("allow_generated", 12)])
def test_a_board_on_generated_images_stops_until_its_file_says_what_to_do(choice, left, forked):
    Path("mixed").mkdir()
    for index in range(12):
        info = PngInfo()
        if index % 4 == 0:
            info.add_text("parameters", "a cat, Steps: 20")
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(f"mixed/{index}.png", pnginfo=info)
    board = BOARD.rpartition("[[models]]")[0].replace("digits", "folder:mixed").replace("vae", "ppca")
    Path("b.toml").write_text(board)
    with pytest.raises(GenkitError, match="no job of b.toml succeeded"):
        bench("b.toml", device="cpu")
    (outcome,) = open_benchmark("b.toml").outcomes
    assert "3 of 12 images" in outcome.reason and choice in outcome.reason
    Path("b.toml").write_text(f"{choice} = true\n{board}")
    bench("b.toml", out="again", device="cpu")
    (run,) = find_runs(Path("again/runs"))
    assert run.config.summary.startswith(f"{left} images")


def test_a_board_of_encoded_images_has_the_same_jobs():
    Path("images").mkdir()
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(f"images/{index}.png")
    board = BOARD.replace("digits", "folder:images")
    opened = []
    for text in (board, f'pack = "encoded"\n{board}'):
        Path("b.toml").write_text(text)
        opened.append(open_benchmark("b.toml"))
    pixels, encoded = opened
    assert [job.id for job in encoded.jobs] == [job.id for job in pixels.jobs]
    assert ("pack" in pixels.dataset_options, encoded.dataset_options["pack"]) == (False, "encoded")
