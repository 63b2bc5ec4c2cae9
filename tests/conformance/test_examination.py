"""The examination itself: it continues after failures, skips checks that need a failed one, and reports.

Tests catalogue, report and under_test of genkit.conformance.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genkit.cli.process import stoppable
from genkit.conformance import CHECKS, Examination, Report, Result, check
from genkit.conformance.under_test import SHAPES, blobs, training_updates, unequal_names
from genkit.errors import Interrupted, OptionsError, UnknownName
from genkit.models import DataInfo, GenerativeModel

DATA = blobs((1, 6, 6), 17, 3)


class Uniform(GenerativeModel):
    """A minimal model."""

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return torch.rand(n, *self.data.shape, generator=generator)


class GreyOnly(Uniform):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        if data.shape[0] != 1:
            raise OptionsError("colour needs another model")


class CrashesInColour(GreyOnly):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data if data.shape[0] == 1 else 1 / 0)  # type: ignore[arg-type]


class Unbuildable(Uniform):
    def __init__(self, options: Any, data: DataInfo) -> None:
        raise ZeroDivisionError("in the\nconstructor")


class CrashesInSample(Uniform):
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        raise KeyError("width")


def test_the_report_has_every_check_once_in_order() -> None:
    told: list[Result] = []
    report = check(Uniform, dataset=DATA, on_result=told.append)
    assert [result.check for result in report.results] == list(CHECKS)
    assert told == list(report.results)
    assert report.ok


def test_the_summary_counts_and_says_why_something_was_skipped() -> None:
    results = (Result("a", "passed"), Result("b", "skipped", "no x"), Result("c", "skipped", "no x"))
    assert Report("m", results).summary == "3 checks: 1 passed, 2 skipped (no x)"
    failed = Report("m", (*results, Result("d", "failed", "broken")))
    assert failed.summary == "4 checks: 1 passed, 1 failed (d), 2 skipped (no x)"
    assert not failed.ok


def test_a_report_is_plain_json_and_shows_in_a_notebook() -> None:
    report = Report("m", (Result("a", "failed", "1 < 2"),))
    assert json.loads(json.dumps(report.to_json()))["results"] == [
        {"check": "a", "status": "failed", "reason": "1 < 2"}
    ]
    assert "1 &lt; 2" in report._repr_html_()


def test_a_crash_is_a_failure_in_one_line_and_the_rest_goes_on() -> None:
    report = check(CrashesInSample, dataset=DATA)
    reasons = {result.check: result.reason for result in report.results}
    assert reasons["sample-seeded"] == "KeyError: 'width'"
    assert "options" in report.named("passed")
    assert len(report.results) == len(CHECKS)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Interrupted("stopped"), "Interrupted: stopped"),
        (None, "Exit: it calls os._exit, which would end genkit"),
    ],
)
def test_a_model_that_would_end_the_process_fails_its_check(
    ending: BaseException | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(self: Any, n: int, **more: Any) -> Tensor:
        if ending is not None:
            raise ending
        os._exit(0)

    monkeypatch.setattr(Uniform, "sample", leave)
    with stoppable():
        assert Examination(Uniform).result("sample-images") == Result("sample-images", "failed", words)


def test_a_model_that_can_not_be_built_says_so_and_nothing_raises() -> None:
    report = check(Unbuildable)
    reasons = {result.check: result.reason for result in report.results}
    assert reasons["build-8x8-grey"] == "ZeroDivisionError: in the constructor"
    assert reasons["sample-images"] == "needs phases, which failed"


def test_a_shape_that_a_model_refuses_in_so_many_words_is_skipped() -> None:
    result = next(r for r in check(GreyOnly).results if r.check == "build-32x32-colour")
    assert (result.status, result.reason) == ("skipped", "refuses 32x32-colour: colour needs another model")


def test_a_shape_at_which_a_model_crashes_fails_and_only_there() -> None:
    assert check(CrashesInColour).named("failed") == ["build-32x32-colour"]


def test_a_check_whose_ground_failed_waits_however_deep() -> None:
    examination = Examination(Uniform, options={"nothing": 1}, dataset=DATA)
    assert examination.result("resume") == Result("resume", "skipped", "needs options, which failed")


def test_an_unknown_name_raises_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'noise'"):
        check("nois")
    with pytest.raises(UnknownName, match="no check named 'sample'"):
        Examination(Uniform).result("sample")


def test_checking_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(Uniform, dataset=DATA)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(("shape", "levels"), SHAPES.values())
def test_the_synthetic_images_use_their_levels_and_differ(shape: tuple[int, int, int], levels: int) -> None:
    data = blobs(shape, levels, 10)
    assert data.train.pixels.shape[1:] == shape
    assert levels // 2 < data.train.pixels.max() < levels
    assert len(unequal_names(dict(enumerate(data.test.images(slice(0, 8)))), {})) == 8  # type: ignore[arg-type]
    assert data.info().num_classes == 10
    assert blobs(shape, levels, 0).info().class_frequencies == ()


def test_bits_are_compared_not_values_nearby() -> None:
    one = {"a": torch.tensor([1.0, float("nan")])}
    assert unequal_names(one, {"a": one["a"].clone()}) == []
    assert unequal_names(one, {"a": torch.tensor([1.0 + 2e-7, float("nan")])}) == ["a"]
    assert unequal_names(one, {}) == ["a"]


def test_a_model_without_phases_is_prepared_and_not_stepped() -> None:
    assert list(training_updates(Uniform(None, DATA.info()), DATA)) == []


def test_the_page_on_testing_a_plugin_says_what_each_check_finds() -> None:
    page = Path(__file__).parents[2].joinpath("docs/howto/test-a-plugin.md").read_text()
    assert [name for name in CHECKS if f"`{name}`" not in page] == []
