from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics import frechet_distance
from genkit.metrics import mifid as module
from genkit.metrics.mifid import memorization_distance
from genkit.metrics.numerics.frechet import FeatureStatistics
from genkit.metrics.numerics.jackknife import block_of


def features(n, seed, d=6, scale=1.0, shift=0.5):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale + shift


def copies(real, noise, seed=9):
    rng = np.random.default_rng(seed)
    return real[rng.integers(len(real), size=300)] + noise * rng.standard_normal((300, real.shape[1]))


REAL = features(250, 0)
CASES = {
    "copies": copies(REAL, 0.05),
    "far": np.abs(features(300, 1, shift=0.0)) * [1, 0.01, 0.01, 0.01, 0.01, 0.01],
    "opposite": -copies(REAL, 0.05),
    "rows of zeros": np.concatenate([copies(REAL, 0.05), np.zeros((3, 6))]),
}


@pytest.mark.slow  # torchmetrics takes its time to import
@pytest.mark.parametrize("generated", CASES.values(), ids=CASES)
def test_equals_torchmetrics(generated):
    mifid = pytest.importorskip("torchmetrics.image.mifid")
    statistics = []
    for x in (REAL, generated):
        tensor = torch.from_numpy(x)
        statistics += [tensor.mean(0), torch.cov(tensor.T), tensor]
    expected = mifid._mifid_compute(*statistics).item()
    assert memorization_distance(REAL, generated).value == pytest.approx(expected, rel=1e-9)


def cosine_distance(real, generated):
    one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (real, generated))
    return (1 - np.abs(one @ two.T)).min(axis=1).mean()


def test_copies_pay_and_strangers_do_not():
    assert cosine_distance(REAL, CASES["copies"]) < 0.1 < cosine_distance(REAL, CASES["far"])
    for name, factor, words in (
        ("copies", 1 / cosine_distance(REAL, CASES["copies"]), ", by which the Frechet distance is divided"),
        ("far", 1.0, ", large enough to be no penalty"),
    ):
        expected = frechet_distance(REAL, CASES[name]).value * factor
        found = memorization_distance(REAL, CASES[name])
        assert found.value == pytest.approx(expected, rel=1e-9)
        assert words in found.note


def test_the_closer_the_copies_the_worse():
    values = [memorization_distance(REAL, copies(REAL, noise)).value for noise in (0.3, 0.1, 0.01)]
    assert values == sorted(values)


def test_a_set_with_itself_has_no_distance():
    assert memorization_distance(REAL, REAL).value == 0.0


def test_the_same_images_up_to_rounding_are_not_ranked_but_copies_of_some_are():
    noise = np.random.default_rng(0).standard_normal(REAL.shape)
    again = memorization_distance(REAL, (REAL * (1 + 1e-7 * noise)).astype(np.float32))
    assert cosine_distance(REAL, (REAL * (1 + 1e-7 * noise)).astype(np.float32)) > 1e-16
    assert not again.rankable
    assert (again.ci_low, again.ci_high, again.replicates) == (0.0, again.value, ())
    assert "both sets hold the same images" in again.note
    apart = {"copies, and one of them often": np.concatenate([REAL, np.tile(REAL[:1], (60, 1))]),
             "another set of the same moments": 2 * REAL.mean(axis=0) - REAL}  # fmt: skip
    for generated in apart.values():
        found = memorization_distance(REAL, generated)
        assert found.rankable
        assert "same images" not in found.note


def test_replicates_leave_out_one_block_each():
    generated = CASES["copies"]
    found = memorization_distance(REAL, generated)
    without_real = memorization_distance(REAL[block_of(250, 20) != 4], generated).value
    without_generated = memorization_distance(REAL, generated[block_of(300, 20) != 4]).value
    assert found.replicates[4] == pytest.approx(without_real, rel=1e-9)
    assert found.replicates[24] == pytest.approx(without_generated, rel=1e-9)


def test_tiles_do_not_matter(monkeypatch):
    expected = memorization_distance(REAL, CASES["rows of zeros"])
    monkeypatch.setattr(module, "_TILE", 17)
    found = memorization_distance(REAL, CASES["rows of zeros"])
    assert found.replicates == pytest.approx(expected.replicates, rel=1e-9)


def test_at_the_threshold_the_note_says_so():
    partly = [np.concatenate([CASES["far"], REAL[:copied]]) for copied in range(250)]
    generated = next(x for x in reversed(partly) if cosine_distance(REAL, x) >= 0.1)
    found = memorization_distance(REAL, generated)
    assert "at the threshold of 0.1" in found.note
    assert found.stderr == pytest.approx(frechet_distance(REAL, generated).stderr, rel=1e-9)


def test_a_reference_fitted_before_gives_the_same_score():
    assert memorization_distance(FeatureStatistics.fit(REAL), CASES["far"]) == memorization_distance(REAL, CASES["far"])


@pytest.mark.parametrize(
    ("generated", "error", "words"),
    [
        (np.zeros((9, 6)), DataError, "too few rows of the generated features have a direction"),
        (np.full((9, 6), np.nan), DataError, "NaN or infinity"),
        (np.ones((1, 6)), DataError, "at least 3"),
        (np.ones((9, 5)), UsageError, "generated features 5"),
    ],
)
def test_what_cannot_be_measured_is_refused(generated, error, words):
    with pytest.raises(error, match=words):
        memorization_distance(REAL, generated)


def test_few_rows_are_not_ranked():
    assert not memorization_distance(REAL, features(6, 3)).rankable
