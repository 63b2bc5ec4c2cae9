"""genkit check: what it prints and how it exits."""

from __future__ import annotations

import json

import pytest

from genkit.conformance import CHECKS


def test_it_prints_every_check_and_the_count(genkit):
    result = genkit("check", "noise")
    assert result.code == 0
    *lines, summary = result.out.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == list(CHECKS)
    assert "  skipped reconstruct: no reconstruct" in lines
    assert summary.startswith(f"{len(CHECKS)} checks: ")
    assert "no log_likelihood" in summary


def test_json_is_one_document_and_the_progress_goes_to_stderr(genkit):
    result = genkit("check", "noise", "--json")
    document = json.loads(result.out)
    assert document["ok"] is True
    assert [entry["check"] for entry in document["results"]] == list(CHECKS)
    assert "passed  sample-images" in result.err


def test_a_failure_exits_with_one(genkit, monkeypatch):
    from genkit.models.baselines.noise import Noise

    monkeypatch.setattr(Noise, "ema", ("nothing",))
    result = genkit("check", "noise")
    assert result.code == 1
    assert "failed  phases: ema names 'nothing', which is not a submodule" in result.out


def test_an_option_that_does_not_exist_fails_the_check_of_options(genkit):
    result = genkit("check", "noise", "-o", "depth=3")
    assert result.code == 1
    assert "noise has no option 'depth'" in result.out


@pytest.mark.parametrize("arguments", [("check", "nois"), ("check",)])
def test_a_name_that_is_unknown_or_missing_is_a_usage_error(genkit, arguments):
    assert genkit(*arguments).code == 2
