"""genkit.toml: what a setting is, which command it reaches, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from genkit.cli import settings
from genkit.cli.commands import group
from genkit.errors import OptionsError


@pytest.fixture
def settings_of(tmp_path):
    """Return what a settings file means for a command, by parameter."""

    def defaults(text, command):
        (tmp_path / "genkit.toml").write_text(text)
        ctx = click.Context(group)
        ctx.invoked_subcommand = command
        return settings.default_map(tmp_path / "genkit.toml", group, ctx).get(command, {})

    return defaults


@pytest.mark.parametrize(
    ("text", "command", "expected"),
    [
        ("[leaderboard]\nruns = 'elsewhere'\njson = true", "leaderboard", {"root": "elsewhere", "as_json": True}),
        ("[train]\ndata-root = '/d'\nresume = 'ab'", "train", {"data_root": "/d", "resumed": "ab"}),
        ("[train]\ndata_root = '/d'\nimages = 60_000", "train", {"data_root": "/d", "images": "60000"}),
        ("[train]\noption = ['width=3', 'latent=2']", "train", {"assignments": ["width=3", "latent=2"]}),
        ("[train]\noption = 'width=3'", "train", {"assignments": ["width=3"]}),
        ("[eval]\nrun = 'ab'\nraw = true", "eval", {"run_id": "ab", "raw": True}),
        ("[eval]\ncount = 300\ncalibrate = false", "eval", {"count": "300", "calibrate": False}),
        ("[eval]\nmetrics = ['fid', 'kid']", "eval", {"metrics": "fid,kid"}),
        ("[eval]\nmetrics = 'fid,kid'", "eval", {"metrics": "fid,kid"}),
        ("[runs.list]\njson = true\nruns = 'x'", "runs", {"list": {"as_json": True, "root": "x"}}),
        ("[features.train]\ndataset = 'mnist'", "features", {"train": {"dataset": "mnist"}}),
        ("[train]\nseed = 1", "eval", {}),
        ("[train]\nnonsense = 1", "eval", {}),
    ],
)
def test_a_setting_is_what_the_flag_of_its_name_would_be(settings_of, text, command, expected):
    assert settings_of(text, command) == expected


@pytest.mark.parametrize(
    ("text", "command", "words"),
    [
        ("not toml", "train", "can't be read: "),
        ("[trian]", "models", r"a section \[trian\], but there is no such command. Did you mean 'train'\?"),
        ("json = true", "models", r"a section \[json\], but there is no such command"),
        ("train = 5", "train", r"\[train\] is 5, but must be a table of settings"),
        ("[eval]\nmetric = 'fid'", "eval", r"\[eval\] has a setting 'metric', .* Did you mean 'metrics'\?"),
        ("[eval]\nas_json = true", "eval", r"\[eval\] has a setting 'as_json'"),
        ("[eval]\nname = 3", "eval", r"\[eval\] has a setting 'name'"),
        ("[eval]\njson = 'yes'", "eval", r"\[eval\] json is 'yes', but must be true or false"),
        ("[eval]\nsize = [3]", "eval", r"\[eval\] size is \[3\], but must be one value"),
        ("[eval]\nmetrics = [['fid']]", "eval", r"\[eval\] metrics is .*, but must be one value or a list"),
        ("[eval.size]\nx = 3", "eval", r"\[eval\] size is \{'x': 3\}, but must be one value"),
        ("[runs]\nlist = 3", "runs", r"\[runs.list\] is 3, but must be a table"),
        ("[runs.list]\nsorted = 3", "runs", r"\[runs.list\] has a setting 'sorted'"),
        ("[runs.lst]\njson = true", "runs", r"\[runs\] has a setting 'lst', .* Did you mean 'list'\?"),
    ],
)
def test_what_no_flag_could_be_is_refused_with_one_sentence(settings_of, text, command, words):
    with pytest.raises(OptionsError, match=words) as refused:
        settings_of(text, command)
    assert "\n" not in str(refused.value)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(genkit, monkeypatch):
    Path("genkit.toml").write_text("[runs.list]\nruns = 'file'\n[models]\njson = true")
    assert "no runs in file yet" in genkit("runs").err
    monkeypatch.setenv("GENKIT_RUNS", "environment")
    assert "no runs in environment yet" in genkit("runs", "list").err
    assert "no runs in flag yet" in genkit("runs", "--runs", "flag").err
    assert json.loads(genkit("models").out)


def test_a_file_that_can_not_be_read_is_one_sentence(genkit):
    Path("genkit.toml").mkdir()
    result = genkit("models")
    assert result.code == 2
    assert result.err.startswith("Error: genkit.toml can't be read: ")
