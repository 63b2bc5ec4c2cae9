"""models, datasets, metrics, features, plugins, completion: what there is, as text and as JSON.

Tests models, datasets, metrics, features, plugins, runs and completion of genkit.cli.
"""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("command", "name"),
    [("models", "dcgan"), ("datasets", "digits"), ("metrics", "fid"), ("features", "digits-cnn"), ("plugins", "gans")],
)
def test_a_listing_names_what_there_is_as_text_and_json(genkit, command, name):
    arguments = [command, "list"] if command == "features" else [command]
    text = genkit(*arguments)
    assert (text.code, text.err) == (0, "")
    assert name in text.out
    rows = json.loads(genkit(*arguments, "--json").out)
    assert name in [row["name"] for row in rows]


def test_a_data_set_is_shown_as_text_and_json(genkit):
    shown = genkit("datasets", "show", "digits")
    assert shown.code == 0
    assert shown.out.startswith("digits: 1,797 images 8x8 grey of 17 levels, 10 classes: 0 178")
    assert "train 1,437, test 360 (its own)" in shown.out and "0 to 16, of 17 levels" in shown.out
    found = json.loads(genkit("datasets", "show", "digits", "--json").out)
    assert found["sha256"] in shown.out
    unknown = genkit("datasets", "show", "digts")
    assert unknown.code == 2 and "Did you mean 'digits'?" in unknown.err


def test_captions_and_a_picture_of_a_data_set_are_shown(genkit, tmp_path):
    shown = genkit("datasets", "show", "digits", "--grid", str(tmp_path / "digits.png"))
    assert shown.code == 0
    assert "12,579, such as" in shown.out and "zero\n" in shown.out
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_skipped_files_are_named_the_first_ten_or_all(genkit, tmp_path):
    from PIL import Image

    for index in range(14):
        (tmp_path / f"bad{index:02d}.png").write_bytes(b"")
    for index in range(2):
        Image.new("L", (4, 4), 100 * index).save(tmp_path / f"{index}.png")
    few = genkit("datasets", "show", str(tmp_path), "--skip-bad").out
    assert "bad09.png is empty" in few and "bad10" not in few and "and 4 more: add -v to name all" in few
    assert "bad13.png is empty" in genkit("datasets", "show", str(tmp_path), "--skip-bad", "-v").out
    compared = genkit("compare", str(tmp_path), str(tmp_path), "--skip-bad", "--features", "pixels", "--verbose")
    assert "bad13.png is empty" in compared.err


def test_a_model_is_shown_with_options_and_presets(genkit):
    shown = genkit("models", "dcgan")
    assert shown.code == 0
    assert "presets" in shown.out
    listed = json.loads(genkit("models", "dcgan", "--json").out)["presets"]
    assert set(listed) == {"digits", "mnist", "default", "gpu"} and listed["digits"]["images"] > 0


@pytest.mark.parametrize(
    ("model", "places"),
    [("dcgan", ["cpu digits", "cpu mnist", "cpu other data", "gpu any data"]), ("ppca", ["cpu any data"])],
)
def test_presets_are_listed_by_place_and_data_set(genkit, model, places):
    rows = genkit("models", model).out.partition("presets")[2].splitlines()[1:]
    assert [" ".join(row.split()[: len(place.split())]) for row, place in zip(rows, places, strict=True)] == places


def test_unknown_commands_and_models_are_answered_with_a_suggestion(genkit):
    command = genkit("modles")
    assert command.code == 2
    assert "Did you mean 'models'?" in command.err
    model = genkit("models", "dcgn")
    assert model.code == 2
    assert "no model named 'dcgn'. Did you mean 'dcgan'?" in model.err
    assert "Traceback" not in model.err


def test_a_metric_is_shown_with_its_parameters(genkit):
    shown = genkit("metrics", "KID")
    assert shown.code == 0
    assert "lower is better" in shown.out and "needs features" in shown.out
    rows = {line.split()[0]: " ".join(line.split()) for line in shown.out.splitlines()}
    assert rows["degree"] == "degree 3 a whole number from 1 to 10 degree of the polynomial kernel"
    assert rows["size"].endswith("(with subsets)")
    listed = json.loads(genkit("metrics", "kid", "--json").out)
    assert listed["parameters"]["subsets"]["default"] == 0
    assert "it has no parameters" in genkit("metrics", "mifid").out
    unknown = genkit("metrics", "kdi")
    assert unknown.code == 2 and "Did you mean 'kid'?" in unknown.err


def test_completion_scripts_are_printed(genkit):
    assert "_GENKIT_COMPLETE" in genkit("completion", "bash").out


def test_options_are_said_in_plain_words_with_what_they_do(genkit):
    shown = genkit("models", "dcgan").out
    rows = {" ".join(line.split()) for line in shown.splitlines()}
    assert "latent 100 a whole number of at least 1 numbers in a latent" in rows
    assert any(row.startswith("augment none none, flip, ") and "the augmentation of every image" in row for row in rows)
    d_rate = next(row for row in rows if row.startswith("d_learning_rate"))
    assert d_rate.startswith("d_learning_rate - a number above 0 or left out the discriminator's learning rate")
    for model in ("dcgan", "vae", "vq-vae", "rae-gmm", "stylegan2-nano", "ppca"):
        assert not any(
            word in genkit("models", model).out for word in ("Annotated", "Literal", "Choice", "None", "<class")
        )


def test_observers_are_listed(genkit, monkeypatch):
    from genkit.registry.discovery import registry

    monkeypatch.setattr(registry().plugins[-1], "observes", ("training", "records"))
    assert "observes training and records" in genkit("plugins").out
    assert json.loads(genkit("plugins", "--json").out)[-1]["observes"] == ["training", "records"]
