"""The page on token models: its model is short, passes the checks, and learns."""

from __future__ import annotations

import pytest
import torch
from pages import DOCS, blocks, offered

from genkit.conformance import check
from genkit.evaluation.evaluate import evaluate
from genkit.training.api import train
from genkit.training.runs import load

PAGE = DOCS / "howto" / "add-a-token-model.md"


@pytest.fixture(scope="module")
def halton(tmp_path_factory):
    """Install the page's package for the tests of this module."""
    with offered(PAGE, tmp_path_factory.mktemp("halton")):
        yield


def test_the_model_is_short():
    assert len(blocks(PAGE)["src/genkit_halton/model.py"].splitlines()) <= 80


@pytest.mark.slow
def test_it_passes_every_check(halton):
    report = check("halton", options={"width": 16, "layers": 1, "channels": 4})
    assert report.ok, str(report)


def test_all_places_are_revealed_once(halton):
    from genkit_halton.model import halton as order

    for rows, columns in ((1, 1), (4, 4), (7, 7), (8, 6)):
        assert sorted(order(rows, columns).tolist()) == list(range(rows * columns))


@pytest.mark.slow
def test_it_learns_and_completes(halton, digits, tmp_path):
    values = []
    for images in (640, 40_000):
        options = {"width": 64, "layers": 2, "channels": 8, "levels": [4, 4, 4]}
        run = train("halton", digits, images=images, batch=64, options=options, root=tmp_path, device="cpu")
        values.append(evaluate(run, metrics="fid", count=500).record.scores[0].value)
    assert values[1] < values[0] / 2
    images, known = digits.test.images(slice(0, 4)), torch.ones(4, 1, 8, 8, dtype=torch.bool)
    known[:, :, 2:5, 2:5] = False
    filled = load(run).complete(images, known, generator=torch.Generator().manual_seed(0))
    assert torch.equal(filled[known], images[known])
