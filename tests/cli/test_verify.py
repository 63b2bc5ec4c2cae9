from __future__ import annotations

import json

import pytest
from PIL import Image

from genkit.training.api import train


@pytest.fixture
def run(digits, tmp_path):
    return train("ppca", digits, root=tmp_path / "runs")


def test_a_run_is_verified_and_a_wrong_number_ends_with_1(genkit, run):
    assert genkit("eval", "--run", run.id, "--metrics", "fid,vendi", "-n", "400").code == 0
    done = genkit("verify", run.id)
    assert done.code == 0
    assert "4 of 4 numbers agree" in done.out and "torchmetrics" in done.out
    assert done.err.count("digits: 1,797 images 8x8 grey of 17 levels, 10 classes: 0 178") == 1
    (record,) = (run.path / "records").glob("*.json")
    document = json.loads(record.read_text())
    document["scores"][0]["value"] *= 1.01
    record.write_text(json.dumps(document))
    done = genkit("verify", record)
    assert done.code == 1 and "its content does not match the hash in its name" in done.err
    record = record.rename(record.with_name("by-hand.json"))
    done = genkit("verify", record, "--metrics", "fid[digits-cnn]", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert not found["ok"] and [check["within"] for check in found["checks"]] == [False, False]


def test_compare_verifies_too(genkit, tmp_path):
    for name, step in (("one", 20), ("two", 25)):
        (tmp_path / name).mkdir()
        for place in range(4):
            Image.linear_gradient("L").resize((8, 8)).rotate(step * place).save(tmp_path / name / f"{place}.png")
    command = ["compare", "one", "two", "--features", "random-conv", "--metrics", "fid,kid", "--verify"]
    done = genkit(*command)
    assert done.code == 0, done.err
    assert "4 of 4 numbers agree" in done.out
    assert json.loads(genkit(*command, "--json").out)["verification"]["ok"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "there is no record nothing, and no run 'nothing'"), (["runs/none.json"], "there is no record")],
)
def test_what_is_not_there_is_one_sentence(genkit, arguments, words):
    done = genkit("verify", *arguments)
    assert done.code == 3 and words in done.err and done.err.count("\n") == 1
