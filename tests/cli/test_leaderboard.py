"""genkit leaderboard and genkit recommend, from records alone.

Tests leaderboard and recommend of genkit.cli.
"""

from __future__ import annotations

import json

import pytest
from making import CHOICES, point, record, score, training

from genkit.ranking.rows import Row
from genkit.results import store
from genkit.results.records import to_json

KID = "kid[digits-cnn]"


@pytest.fixture
def boards(genkit, tmp_path):
    """Records of three models with two scores on two data sets, in the folder that commands look in."""
    for dataset in ("mnist", "digits"):
        for name, fid, latency in (("a", 1.0, 9.0), ("b", 2.0, 3.0), ("c", 30.0, 1.0)):
            scores = score(fid), score(fid / 10, name=KID, half=0.01), score(latency, name="latency", unit="ms")
            made = record(name, *scores, dataset=dataset, trained=training(seconds=60.0))
            store.add(tmp_path / "runs", made)
    return genkit


def test_an_edited_record_is_left_out_of_every_form_of_the_board_and_named(boards, tmp_path):
    paths = {path: json.loads(path.read_text()) for path in (tmp_path / "runs" / "records").iterdir()}
    (edited,) = [
        path for path, plain in paths.items() if (plain["subject"]["name"], plain["dataset"]) == ("a", "digits")
    ]
    edited.write_text(edited.read_text().replace('"value": 1.0', '"value": 0.5'))
    sentence = f"runs/records/{edited.name}: its content does not match the hash in its name"
    shown = boards("leaderboard", "--dataset", "digits", "--html", "page.html")
    assert shown.code == 0 and f"left out: {sentence}" in shown.err
    assert [line.split()[1] for line in shown.out.splitlines() if line.split()[0] in "12"] == ["b", "c"]
    assert sentence in (tmp_path / "page.html").read_text()
    document = json.loads(boards("leaderboard", "--dataset", "digits", "--json").out)
    assert [row["model"] for row in document["rows"]] == ["b", "c"]
    assert [each.startswith(sentence) for each in document["unreadable"]] == [True]


def test_chances_agreement_and_weights_stand_below_the_board(boards):
    done = boards("leaderboard", "--chances", "--agreement", "--weights", "fid=2,kid=1")
    assert done.code == 0
    titles = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert [title.split()[0] for title in titles] == ["digits", "probability", "agreement", "weighted"]
    rows = done.out.split("probability that")[1].split("agreement")[0].splitlines()
    assert [row.split() for row in rows[2:5]] == [
        ["1", "a", "0.92", "1.00"],
        ["2", "b", "0.08", "1.00"],
        ["3", "c", "0.00", "0.00"],
    ]
    assert "1.333  a" in done.out.split("your weights")[1]


def test_the_same_in_one_json_document(boards):
    found = json.loads(boards("leaderboard", "--chances", "--agreement", "--weights", "fid=1", "--json").out)
    assert found["chances"]["models"] == ["a", "b", "c"]
    assert found["agreement"]["taus"][0][1] == pytest.approx(1)
    assert found["overall"]["rows"][0][0] == "a"
    assert "across" not in found


def test_a_csv_is_the_board_alone(boards):
    refused = boards("leaderboard", "--csv", "--chances")
    assert refused.code == 2
    assert "--chances does not go with --csv" in refused.err


def test_a_name_moves_no_cursor_and_leaves_no_fence(genkit, tmp_path):
    for name in ("gan\x1b[2J\n```\n<script>", "b"):
        store.add(tmp_path / "runs", record(name, score(1.0 if name == "b" else 2.0)))
    for form in ([], ["--md"]):
        done = genkit("leaderboard", "--chances", *form)
        assert "\x1b" not in done.out
        assert not any(line.startswith("<script>") for line in done.out.splitlines())


def test_several_data_sets_add_average_ranks(boards):
    done = boards("leaderboard", "--dataset", "digits,mnist")
    assert done.out.splitlines()[0].startswith("digits ")
    assert "average ranks by fid over 2 data sets" in done.out
    assert "Friedman" in done.out


def test_weights_and_names_that_make_no_sense_are_refused(boards):
    assert "'fid' is not a weight: write it like fid=2" in boards("leaderboard", "--weights", "fid").err
    assert "Did you mean 'kid" in boards("leaderboard", "--weights", "kidd=1").err
    assert boards("leaderboard", "--dataset", "digits,mnsit").code == 2


def test_a_store_may_be_a_url(genkit):
    store.add("memory://boards/one", record("a", score(1.0)))
    assert genkit("leaderboard", "--runs", "memory://boards", "--csv").out.splitlines()[1].startswith("model,a,1,1,")


def test_recommend_names_the_best_within_the_limits_how_sure_and_what_is_untested(boards):
    done = boards("recommend", "--dataset", "digits", "--latency-ms", "5", "--train-minutes", "30")
    lines = done.out.splitlines()
    assert lines[0] == "b: fid[digits-cnn] 2 [1, 3] on digits, lower is better"
    assert lines[1].strip() == "better than the only other model within the limits (95 %, evaluation noise only)"
    assert "  a: latency 9 ms is above 5" in lines
    assert "dcgan" in lines[lines.index("untested:") + 1]
    found = json.loads(boards("recommend", "--latency-ms", "5", "--json").out)
    assert (found["model"], found["not_told_apart"]) == ("b", [])
    assert found["better_than_the_next"] == pytest.approx(1.0)


def test_a_limit_is_a_number(boards):
    done = boards("recommend", "--latency-ms", "nan")
    assert (done.code, "'nan' is not a number" in done.err) == (2, True)


def test_recommend_says_why_nothing_fits(boards):
    done = boards("recommend", "--latency-ms", "0.5")
    assert (done.code, done.out) == (3, "")
    assert "no model of digits is known to be within the limits (a: latency 9 ms is above 0.5" in done.err
    assert boards("recommend", "--need", "likelihood").code == 3


def test_a_board_on_which_nothing_is_left_says_so_and_why(genkit, tmp_path):
    for name in ("a", "b"):
        store.add(tmp_path / "runs", record(name, score(1.0, rankable=False, note=f"{name} has 9 rows, too few")))
    done = genkit("leaderboard")
    assert done.code == 0
    assert "nothing here can be ranked by fid[digits-cnn]" in done.err
    assert "a has 9 rows, too few" in done.err
    assert "b has 9 rows, too few" in done.err
    store.add(tmp_path / "runs", record("c", score(1.0)))
    done = genkit("leaderboard")
    assert "nothing" not in done.err
    assert "2 records left out: add --why to see which, and why" in done.err
    few = score(1.0, choices={**CHOICES, "samples.count": 80})
    for name in ("d", "e"):
        store.add(tmp_path / "runs", record(name, few))
    store.add(tmp_path / "runs", record("f", score(1.0)))
    reason = "samples.count 80 / 5000"
    assert f"4 records left out, 2 of them: {reason}: add --why" in genkit("leaderboard").err


def test_without_a_choice_the_other_data_sets_are_named(boards):
    for form in ((), ("--json",), ("--csv",)):
        assert "also here, with --dataset: mnist (3)\n" in boards("leaderboard", *form).err
    assert "also here" not in boards("leaderboard", "--dataset", "digits").err


def test_points_of_a_sweep_that_is_plotted_are_one_count_apart_from_what_is_left_out(genkit, tmp_path):
    run = training()
    for value in (1.0, 1.25, 1.5):
        store.add(tmp_path / "runs", point(run, guidance=value))
    done = genkit("leaderboard", "--html", "board.html")
    assert "2 points of sweeps are not ranked, but in the plots of the page that --html writes" in done.err
    assert "left out" not in done.err
    assert 'id="sweeps"' in (tmp_path / "board.html").read_text()
    store.add(tmp_path / "runs", record("vae", score(1.0, name="mse")))
    store.add(tmp_path / "runs", point(training(), ("fid[digits-cnn]",), guidance=1.25))  # a point alone has no plot
    done = genkit("leaderboard", "--score", "fid")
    assert "2 points of sweeps are not ranked" in done.err
    assert "2 records left out: add --why to see which, and why" in done.err
    assert genkit("leaderboard", "--score", "fid", "--why").err.count("drawn with guidance=") == 3


SPOILED = {
    "hash": lambda d: d["protocol"]["data"].update(sha256={}),
    "extractor": lambda d: d["scores"][0]["choices"].update({"features.extractor": ["digits-cnn"]}),
    "replicate": lambda d: d["scores"][0].update(replicates=[1.0, 1e308, 1.0, 1.0]),
    "deep": lambda d: d["subject"].update(options={"a": json.loads("[" * 900 + "]" * 900)}),
    "long": lambda d: d["training"].update(images=10**300),
}


@pytest.mark.parametrize(
    "command",
    [
        ["leaderboard", "--dataset", "digits"],
        ["leaderboard", "--dataset", "digits", "--json"],
        ["leaderboard", "--dataset", "digits", "--html", "page.html"],
        ["records", "list", "--json"],
        ["records", "export", "--format", "json"],
        ["recommend", "--dataset", "digits"],
    ],
    ids=" ".join,
)
def test_malformed_records_cost_themselves_alone_and_are_named(boards, tmp_path, command):
    before = boards(*command)
    for name, spoil in SPOILED.items():
        made = json.loads(to_json(record("d", score(0.5), dataset="digits")))
        spoil(made)
        (tmp_path / "runs" / "records" / f"{name}.json").write_text(json.dumps(made))
    done = boards(*command)
    if command[0] == "leaderboard" and "--json" in command:
        document = json.loads(done.out)
        assert len(document.pop("unreadable")) == len(SPOILED)
        assert document.items() <= json.loads(before.out).items()
    else:
        assert done.out == before.out
    assert done.code == 0
    assert [f"{name}.json" in done.err for name in SPOILED] == [True] * len(SPOILED), done.err


@pytest.mark.parametrize("output", [[], ["--md"], ["--html", "page.html"]], ids=str)
def test_a_record_on_which_an_output_fails_is_left_out_of_it(boards, tmp_path, monkeypatch, output):
    before = boards("leaderboard", "--dataset", "digits", *output)
    store.add(tmp_path / "runs", record("bad", score(0.5), dataset="digits"))
    monkeypatch.setattr(Row, "rank", property(lambda row: 1 / (row.subject != "bad") and row.best_rank and "1"))
    done = boards("leaderboard", "--dataset", "digits", *output)
    assert done.code == 0 and "bad" not in done.out and "can't be used: ZeroDivisionError" in done.err
    assert len(done.out.splitlines()) == len(before.out.splitlines())
