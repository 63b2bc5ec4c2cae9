"""What eval and compare share on the command line: evaluations in parts.

Tests evaluation of genkit.cli.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

MEASURED = ("--metrics", "fid,mse", "-n", "400", "--no-calibrate")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from genkit.training.api import train

    return train("ppca", "digits", root=tmp_path_factory.mktemp("runs")).path


@pytest.fixture
def run(trained, genkit):
    shutil.copytree(trained, Path("runs/digits/ppca") / trained.name)
    return f"runs/digits/ppca/{trained.name}"


def test_a_part_says_which_are_missing_and_the_last_prints_the_scores(genkit, run):
    first = genkit("eval", "--run", run, *MEASURED, "--part", "2/3")
    assert (first.code, first.out) == (0, "")
    assert first.err.splitlines()[-1] == "part 2/3 is done; missing: 1, 3; the last one done writes the record"
    second = genkit("eval", "--run", run, *MEASURED, "--part", "1/3", "--json")
    assert json.loads(second.out) == {"part": "1/3", "missing": [3]}
    last = genkit("eval", "--model", "ppca", *MEASURED, "--part", "3/3")
    assert last.code == 0, last.err
    assert "fid[digits-cnn]" in last.out
    (record,) = Path(run).glob("records/*.json")
    assert f"record {record}" in last.out.replace(f"{Path.cwd()}/", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--part", "4/3"), "there is no part 4/3: give --part I/N with I from 1 to N, such as 3/8"),
        (("--part", "1/2", "--milestones"), "--milestones and --sweep are measured by one process: "),
        (("--spool", "there"), "--spool is the folder in which parts meet: give --part too, or leave it out"),
    ],
)
def test_what_does_not_go_with_parts_is_refused(genkit, run, given, said):
    result = genkit("eval", "--run", run, *MEASURED, *given)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(f"Error: {said}")


def test_parts_train_no_model(genkit):
    result = genkit("eval", "--model", "ppca", *MEASURED, "--part", "1/2")
    assert result.code == 3
    assert "train it first by genkit train --model ppca --dataset digits" in result.err
    assert not Path("runs").exists()


def test_under_torchrun_the_part_is_the_rank_and_stdout_has_the_record_alone(genkit, run, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    refused = genkit("eval", "--run", run, *MEASURED, "--part", "1/2")
    assert (refused.code, refused.err) == (2, "Error: torchrun numbers the parts by itself: leave --part out\n")
    first = genkit("eval", "--run", run, *MEASURED, "--json")
    assert (first.code, first.out) == (0, "")
    monkeypatch.setenv("RANK", "1")
    last = genkit("eval", "--run", run, *MEASURED, "--json")
    assert json.loads(last.out)["subject"]["name"] == "ppca"
    assert len(list(Path(run).glob("records/*.json"))) == 1


def test_folders_are_compared_in_parts(genkit, photos):
    photos("out", 40)
    photos("photos", 40, 200)
    asked = ("compare", "out", "photos", "--features", "pixels", "--metrics", "fid")
    first = genkit(*asked, "--part", "1/2")
    assert (first.code, first.out) == (0, "")
    last = genkit(*asked, "--part", "2/2")
    assert last.code == 0, last.err
    assert "fid[pixels]" in last.out
    assert len(list(Path("runs").glob("*/images/records/*.json"))) == 1
