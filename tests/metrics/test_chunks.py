"""How images are cut into chunks and batches, and rows into tiles, moves no number beyond rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genkit import metrics
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.features import load_extractor
from genkit.metrics import fid_inf
from genkit.metrics.numerics import distances, mmd
from genkit.metrics.numerics.moments import Moments

few = settings(max_examples=8, deadline=None)
NAMES = ["fid", "kid", "cmmd", "is", "precision", "coverage", "vendi"]


@pytest.fixture(scope="module")
def whole(digits):
    return scores(digits, 400)


def scores(digits, chunk):
    record = compare(digits.test, digits, EvalConfig(count=360, chunk=chunk, metrics=NAMES)).record
    return {score.name: score.value for score in record.scores}


@few
@given(chunk=st.integers(1, 400))
def test_the_size_of_the_chunks_moves_no_score(digits, whole, chunk):
    assert scores(digits, chunk) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("name", ["digits-cnn", "random-conv", "pixels"])
@few
@given(batch=st.integers(1, 70), data=st.data())
def test_the_size_of_the_batches_moves_no_feature(digits, name, batch, data):
    images = torch.from_numpy(digits.test.uint8(slice(data.draw(st.integers(2, 70)))))
    extractor = load_extractor(name)
    whole = extractor(images).features
    extractor.batch = batch
    found = extractor(images).features
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5 * float(whole.abs().max()))


def rows(n, seed):
    return np.random.default_rng(seed).standard_normal((n, 5)) * [1, 10, 0.1, 1, 1] + 100


@few
@given(cuts=st.lists(st.integers(0, 300), max_size=6))
def test_moments_do_not_depend_on_where_rows_are_cut(cuts):
    parts = np.split(rows(300, 0), sorted(cuts))
    found = Moments()
    for part in parts:
        found.update(part)
    np.testing.assert_allclose(found.mean, rows(300, 0).mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.cov, np.cov(rows(300, 0), rowvar=False), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("measure", "module", "constant"),
    [
        (metrics.kernel_distance, mmd, "_TILE"),
        (metrics.cmmd_distance, mmd, "_TILE"),
        (metrics.frechet_distance_infinity, fid_inf, "_ROWS"),
        (metrics.authenticity, distances, "_BAND"),
        (lambda real, generated: metrics.precision_recall(real, generated).precision, distances, "_BAND"),
        (lambda real, generated: metrics.density_coverage(real, generated).coverage, distances, "_BAND"),
    ],
)
@few
@given(size=st.integers(1, 200))
def test_the_size_of_the_tiles_moves_no_score(measure, module, constant, size):
    real, generated = rows(150, 1), rows(170, 2) * 1.1 - 10
    whole = measure(real, generated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, constant, size)
        tiled = measure(real, generated)
    assert tiled.value == pytest.approx(whole.value, rel=1e-9, abs=1e-9)
    assert tiled.replicates == pytest.approx(whole.replicates, rel=1e-7, abs=1e-9)
