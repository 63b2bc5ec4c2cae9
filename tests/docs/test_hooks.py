"""Each how-to of a hook is followed to the letter: its package built, its commands run."""

from __future__ import annotations

import csv

import pytest
from pages import DOCS, blocks, build, commands, genkit

PAGES = [
    DOCS / "howto" / f"add-a{each}.md" for each in ("-command", "-dataset", "-metric", "n-extractor", "n-observer")
]


def follow(page, folder):
    """Build a page's package in a folder, run its commands there and return what each printed."""
    build(page, folder)
    return {arguments[0]: genkit(folder, *arguments) for arguments in commands(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_howto_is_short(page):
    assert len(page.read_text().splitlines()) < 80
    assert "src/" in " ".join(blocks(page))


@pytest.mark.slow
def test_a_data_set_is_listed_trained_on_and_measured(tmp_path):
    printed = follow(DOCS / "howto" / "add-a-dataset.md", tmp_path)
    assert "bars" in printed["datasets"]
    assert "fid[random-conv]" in printed["eval"]


@pytest.mark.slow
def test_an_extractor_has_its_columns(tmp_path):
    printed = follow(DOCS / "howto" / "add-an-extractor.md", tmp_path)
    assert "spectrum" in printed["features"]
    assert "fid[spectrum]" in printed["eval"]
    assert "fid[digits-cnn]" in printed["eval"]


@pytest.mark.slow
def test_a_command_draws_its_picture(tmp_path):
    printed = follow(DOCS / "howto" / "add-a-command.md", tmp_path)
    assert "pixels deviate by" in printed["mean"]
    assert (tmp_path / "mean.png").read_bytes().startswith(b"\x89PNG")
    assert "Write the mean of a model's samples" in genkit(tmp_path, "--help")


@pytest.mark.slow
def test_an_observer_writes_losses_and_scores(tmp_path):
    printed = follow(DOCS / "howto" / "add-an-observer.md", tmp_path)
    assert "genkit-notebook" in printed["plugins"]
    losses = [row[2] for row in csv.reader((tmp_path / "losses.csv").read_text().splitlines())]
    assert {"discriminator", "generator", "logits_real"} <= set(losses)
    scores = [row[1] for row in csv.reader((tmp_path / "scores.csv").read_text().splitlines())]
    assert "fid[digits-cnn]" in scores


@pytest.mark.slow
def test_a_metric_is_measured_and_ranked_by(tmp_path):
    printed = follow(DOCS / "howto" / "add-a-metric.md", tmp_path)
    assert "nearest" in printed["metrics"]
    assert "nearest[digits-cnn]" in printed["eval"]
    assert "nearest[digits-cnn], lower is better" in printed["leaderboard"]
