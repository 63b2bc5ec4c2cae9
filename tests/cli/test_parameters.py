"""Types of arguments and options."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from genkit.cli.options import GIF, PNG, same_runs
from genkit.cli.parameters import NAMES, WEIGHTS, metric_parameters
from genkit.errors import UsageError


@pytest.mark.parametrize("arguments", [["train", "vae"], ["eval", "--model", "vae"], ["runs", "list"]], ids=" ".join)
def test_runs_are_kept_in_folders_alone(genkit, monkeypatch, tmp_path, arguments):
    monkeypatch.setenv("GENKIT_RUNS", "memory://x")
    refused = genkit(*arguments)
    assert refused.code == 2
    assert refused.err.startswith("Error: memory://x is a URL, and runs are kept in a folder: ")
    assert list(tmp_path.iterdir()) == []
    assert "no records in memory://x yet" in genkit("records", "list").err


def test_names_are_split_at_commas_and_weights_at_their_signs():
    assert NAMES.convert(" fid, kid,", None, None) == ["fid", "kid"]
    assert NAMES.convert(["fid"], None, None) == ["fid"]
    assert WEIGHTS.convert("fid=2, kid=0.5", None, None) == {"fid": 2.0, "kid": 0.5}


def test_parameters_of_metrics_are_read_by_metric():
    given = ["kid.subsets=50", "KID.size=100", "is.rule=dgm", "precision.strict=true", "my-metric.step-size=.5"]
    assert metric_parameters(given) == {
        "kid": {"subsets": 50, "size": 100},
        "is": {"rule": "dgm"},
        "precision": {"strict": True},
        "my-metric": {"step_size": ".5"},
    }


@pytest.mark.parametrize("given", [["kid"], ["kid=3"], ["subsets=3"], ["kid.=3"], [".k=3"], ["kid.k=3", "KID.k=4"]])
def test_a_parameter_of_another_form_is_refused_in_a_sentence(given):
    with pytest.raises(UsageError, match="METRIC.NAME=VALUE|given twice"):
        metric_parameters(given)


@pytest.mark.parametrize(
    ("arguments", "store", "next_step"),
    [
        ([], "runs", ""),
        (["--runs", "runs"], "runs", " --runs runs"),
        ([], "elsewhere", " --runs elsewhere"),
        (["--runs", "runs"], "elsewhere", " --runs elsewhere"),
        ([], None, ""),
        (["--runs", "my runs"], None, " --runs 'my runs'"),
    ],
)
def test_the_next_step_names_the_folder_in_which_the_run_lies(arguments, store, next_step):
    @click.command()
    @click.option("--runs", "root", default="runs")
    def command(root):
        run = None if store is None else SimpleNamespace(path=Path(store, "digits", "vae", "7f3a"), store=Path(store))
        said.append(same_runs(run))

    said = []
    command.main(arguments, standalone_mode=False)
    assert said == [next_step]


def test_a_picture_is_named_as_the_format_it_is_written_in(tmp_path):
    assert PNG.convert("a.PNG", None, None) == Path("a.PNG")
    assert GIF.convert("walk-t0.8", None, None) == Path("walk-t0.8")
    with pytest.raises(click.UsageError, match=r"it is written as PNG: name it a\.png"):
        PNG.convert("x/a.jpg", None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["reconstruct", "--model", "vae", ""],
        ["interpolate", "--model", "vae", "", ""],
        ["edit", "--model", "vae", ""],
        ["sample", "--model", "vae", "--out", ""],
        ["sample", "--model", "vae", "--runs", ""],
        ["datasets", "show", "digits", "--labels", ""],
        ["datasets", "show", "digits", "--glob", " "],
    ],
    ids=" ".join,
)
def test_an_empty_path_or_text_is_refused(genkit, arguments):
    refused = genkit(*arguments)
    assert refused.code == 2
    assert "is empty: give" in refused.err
