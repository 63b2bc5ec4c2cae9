"""genkit weights: list, pull, verify, add."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from genkit.cli.weights import command
from genkit.errors import DataError, UnknownName
from genkit.features import manifest

CONTENT = b"weights"


@pytest.fixture
def weights(capsys, monkeypatch, tmp_path):
    """Run `genkit weights ...` with a manifest of one file that is not cached, and return what it prints."""
    toy = manifest.WeightsFile("toy", "toy.pth", (), hashlib.sha256(CONTENT).hexdigest(), 7_000_000, "MIT", "A toy")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(manifest, "WEIGHTS", (toy,))
    (tmp_path / "mine").write_bytes(CONTENT)

    def run(*arguments):
        capsys.readouterr()
        command.main([str(argument) for argument in arguments], standalone_mode=False)
        return capsys.readouterr().out

    run.file = tmp_path / "mine"
    run.path = toy.path
    return run


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_a_listing_says_what_is_cached(weights, arguments):
    assert weights(*arguments).split() == ["toy", "7", "MB", "MIT", "not", "cached", "A", "toy"]
    weights("add", "toy", weights.file)
    assert "not cached" not in weights(*arguments)


def test_the_listing_is_json_when_asked(weights):
    (row,) = json.loads(weights("list", "--json"))
    assert row["name"] == "toy"
    assert row["size"] == 7_000_000
    assert row["here"] is False
    assert row["path"] == str(weights.path)


def test_a_file_that_is_here_is_pulled_without_a_network_and_its_path_printed(weights):
    weights("add", "toy", weights.file)
    assert weights("pull", "toy") == f"{weights.path}\n"


def test_what_is_here_is_verified_and_what_is_damaged_fails(weights):
    assert "absent" in weights("verify")
    weights("add", "toy", weights.file)
    assert "ok" in weights("verify").split()
    weights.path.write_bytes(b"changed")
    with pytest.raises(DataError, match="repair with genkit weights add toy FILE"):
        weights("verify")


def test_another_file_is_not_added(weights, tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    with pytest.raises(DataError, match="is not toy"):
        weights("add", "toy", tmp_path / "other")


@pytest.mark.parametrize("arguments", [("pull", "tox"), ("add", "tox", "file")])
def test_an_unknown_name_gets_a_suggestion(weights, arguments):
    with pytest.raises(UnknownName, match="Did you mean 'toy'"):
        weights(*arguments)


def test_it_imports_nothing_heavy():
    probe = (
        "import sys; from genkit.cli.weights import command; command.main(['list'], standalone_mode=False); "
        "print(*{'torch', 'numpy', 'scipy', 'pydantic', 'safetensors', 'rich'} & set(sys.modules), sep=',')"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
