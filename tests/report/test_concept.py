"""What a page says of the images that a run was tuned to."""

from __future__ import annotations

import json

import pytest

from genkit.report.concept import concept

ONE = {"value": 0.5, "ci_low": 0.25, "ci_high": 0.75}
FACTS = {
    "prompt": "a zorp",
    "images": 20,
    "samples": 500,
    "extractor": "digits-cnn",
    **dict.fromkeys(("precision", "density", "authpct"), ONE),
    "old": {"precision": {**ONE, "value": 0.01}, "density": ONE},
}


def test_the_lines_name_the_prompt_the_numbers_and_what_chance_gives():
    first, precision, _, authentic = concept({"concept.json": json.dumps(FACTS).encode()}).lines()
    assert first == '"a zorp": 500 samples against the 20 new images, by digits-cnn'
    assert precision == "  precision 0.5 [0.25, 0.75], of old images 0.01"
    assert authentic == "  authpct 0.5 [0.25, 0.75]"


@pytest.mark.parametrize("text", [b"", b"[]", b'{"prompt": 1}', json.dumps({"prompt": "a", "old": []}).encode()])
def test_what_is_no_such_document_shows_nothing(text):
    assert concept({"concept.json": text}) is None
