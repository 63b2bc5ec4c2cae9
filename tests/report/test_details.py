from __future__ import annotations

import shlex

import pytest
from making import record, score, training

from genkit.cli.eval import command as eval_command
from genkit.cli.train import command as train_command
from genkit.options import parse_assignments
from genkit.report.details import reproduce
from genkit.results.protocols import PROTOCOLS

HOSTILE = "a b; rm -rf / $(x) `y` 'z'"


def asked(one):
    """What the two commands of a record ask for, as the commands themselves read it, and the words before genkit."""
    train, measure = reproduce(one).splitlines()
    assert train.startswith("run=$(") and train.endswith(")")
    before, _, words = train[len("run=$(") : -1].rpartition("genkit train ")
    words = words.removesuffix(" | tail -n 1")
    trained = train_command.make_context("train", shlex.split(words)).params
    measured = eval_command.make_context("eval", shlex.split(measure.removeprefix("genkit eval "))).params
    return trained, measured, before.split()


def test_training_is_asked_for_as_it_was():
    trained, measured, before = asked(record("dcgan", score(1.0), trained=training(seed=7, budget="300,000 images")))
    assert trained["model"] == "genkit-gans:dcgan"
    assert (trained["dataset"], trained["seed"], trained["images"], trained["batch"]) == ("digits", 7, 300_000, 64)
    assert trained["minutes"] is None
    assert measured["run_id"] == "$run"
    assert not measured["raw"]
    assert before == []


def test_a_budget_in_minutes_and_raw_weights():
    trained, measured, _ = asked(record("vae", score(1.0), trained=training(budget="2.5 minutes", weights="raw")))
    assert (trained["minutes"], trained["images"]) == (2.5, None)
    assert measured["raw"]


def test_several_processes_are_launched_by_torchrun():
    _, _, before = asked(record("vae", score(1.0), trained=training(processes=2)))
    assert before == ["torchrun", "--standalone", "--nproc-per-node", "2", "--no-python", "--"]


@pytest.mark.parametrize("value", [20, 1e-5, True, "plain", "20", "true", "[1]", "", " x ", HOSTILE, '"', [1, 2], "ü€"])
def test_options_are_read_back_as_they_were(value):
    trained, _, _ = asked(record("vae", score(1.0), options={"one": value, "other": None}))
    read = parse_assignments(trained["assignments"])
    assert read == {"one": value}
    assert type(read["one"]) is type(value)


def test_names_are_quoted_for_the_shell():
    trained, _, _ = asked(record(HOSTILE, score(1.0)))
    assert trained["model"] == f"genkit-gans:{HOSTILE}"


@pytest.mark.parametrize("dataset", ["folder-photos", "folder:photos", HOSTILE])
def test_what_no_name_of_a_data_set_finds_has_no_commands(dataset):
    assert reproduce(record("vae", score(1.0), dataset=dataset)) == ""


def test_a_run_that_was_not_finished_is_trained_as_far_as_it_got():
    partial = training(budget="2.5 minutes", finished=False, images=12_800)
    trained, _, _ = asked(record("vae", score(1.0), trained=partial))
    assert (trained["images"], trained["minutes"]) == (12_800, None)


def test_columns_that_are_absent_are_asked_for_as_metrics():
    absent = {"is[pixels]": "no weights", "fid[digits-cnn]@360": "too few", "nll": "no bound"}
    _, measured, _ = asked(record("vae", score(1.0), absent=absent))
    assert measured["metrics"] == ["fid", "is", "nll"]


def test_measuring_is_asked_for_as_it_was():
    protocol = {"samples": {"count": 123, "seed": 4}, "parameters": {"nll": {"importance_samples": 8}}}
    scores = score(1.0), score(2.0, name="kid[digits-cnn]"), score(3.0, name="mse", choices={})
    one = record("vae", *scores, protocol=protocol, absent={"lpips": "no weights"})
    _, measured, _ = asked(one)
    assert measured["metrics"] == ["fid", "kid", "mse", "lpips"]
    assert measured["features"] == ["digits-cnn"]
    assert (measured["count"], measured["seed"], measured["importance_samples"]) == (123, 4, 8)
    assert measured["protocol"] == "genkit"


def test_parameters_of_metrics_are_asked_for_where_they_are_not_the_usual_ones():
    chosen = {"kid": {"subsets": 50, "size": 1000}, "precision": {"k": 3, "strict": False}, "is": {"rule": "dgm"}}
    scores = [score(1.0, name=f"{name}[digits-cnn]") for name in chosen]
    _, measured, _ = asked(record("vae", *scores, protocol={"parameters": chosen}))
    assert measured["parameters"] == ("kid.subsets=50", "is.rule=dgm")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_preset_is_known_by_its_choices(name):
    preset = PROTOCOLS[name]
    protocol = {
        "samples": {"quantisation": preset.quantisation},
        "features": dict(preset.features),
        "parameters": {
            "fid": {},
            "kid": {},
            "is": {},
            **{metric: dict(group) for metric, group in preset.parameters.items()},
        },
    }
    _, measured, _ = asked(record("vae", score(1.0), protocol=protocol))
    assert measured["protocol"] == name


def test_images_of_no_model_have_no_commands():
    assert reproduce(record("photos", score(1.0), kind="images")) == ""
