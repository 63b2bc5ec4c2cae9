"""Types of arguments and options."""

from __future__ import annotations

import pytest

from genkit.cli.parameters import NAMES, WEIGHTS


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
