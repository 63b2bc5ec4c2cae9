"""What eval and compare share on the command line: evaluations in parts.

Tests evaluation of genkit.cli.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from forks import together

from genkit.results import store

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
        (("--part", "1/2", "--milestones"), "--milestones and --sweep are not divided: "),
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


def test_torchrun_numbers_the_parts_by_itself(genkit, run, monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    refused = genkit("eval", "--run", run, *MEASURED, "--part", "1/2")
    assert (refused.code, refused.err) == (2, "Error: torchrun numbers the parts by itself: leave --part out\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_torchrun_measure_one_record_and_the_first_prints_it_and_measures_the_baselines(
    genkit, run, tmp_path
):
    def work(rank):
        for attempt in range(2):  # the second as after a restart
            done = genkit("eval", "--run", run, "--metrics", "fid,mse", "-n", "100", "--json")
            (tmp_path / f"{attempt}-{rank}.json").write_text(json.dumps(done))

    assert together(work) == [0, 0]
    for attempt in range(2):
        first, other = (json.loads((tmp_path / f"{attempt}-{rank}.json").read_text()) for rank in (0, 1))
        assert (first[0], json.loads(first[1])["subject"]["name"]) == (0, "ppca")
        assert other == [0, "", ""]
    assert len(list(Path(run).glob("records/*.json"))) == 1
    names = [each.subject.name for each in store.known("runs/digits/calibration")]
    assert sorted(names) == sorted(set(names)) and "noise" in names


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
