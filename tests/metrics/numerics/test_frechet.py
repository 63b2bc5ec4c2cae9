from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics import frechet_distance
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.frechet import FeatureStatistics, distance, frechet
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.moments import Moments

RNG = np.random.default_rng


def features(n, d, seed, scale=1.0, shift=0.0, rank=None):
    rng = RNG(seed)
    mixing = rng.standard_normal((rank or d, d)) / np.sqrt(d)
    return rng.standard_normal((n, rank or d)) @ mixing * scale + shift


PAIRS = {
    "full rank": (features(500, 32, 0), features(700, 32, 1, 1.2, 0.1), 1e-6),
    "rank deficient": (features(400, 32, 2, rank=10), features(400, 32, 3, rank=20), 1e-4),
    "one deficient": (features(400, 32, 2, rank=10), features(400, 32, 3), 1e-4),
    "n < d": (features(40, 96, 4), features(50, 96, 5, 1.1), 1e-4),
    "one n < d": (features(40, 96, 4), features(300, 96, 5, 1.1), 1e-4),
    "n = d": (features(96, 96, 4), features(96, 96, 5, 1.1), 1e-4),
    "one n = d": (features(96, 96, 4), features(300, 96, 5, 1.1), 1e-4),
}


@pytest.fixture(params=PAIRS)
def pair(request):
    return PAIRS[request.param]


def statistics(x):
    return {"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)}


def test_equals_torch_fidelity(pair):
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
    real, generated, tolerance = pair
    found = metric_fid.fid_statistics_to_metric(statistics(real), statistics(generated), False)
    assert frechet_distance(real, generated).value == pytest.approx(found[metric_fid.KEY_METRIC_FID], rel=tolerance)


def test_equals_pytorch_fid(pair, monkeypatch):
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    sqrtm = scipy.linalg.sqrtm

    def with_disp(matrix, disp=True):
        """pytorch-fid's call, which SciPy 1.18 no longer takes."""
        root = sqrtm(matrix)
        return root if disp else (root, 0.0)

    monkeypatch.setattr(fid_score.linalg, "sqrtm", with_disp)
    real, generated, tolerance = pair
    one, two = statistics(real), statistics(generated)
    expected = fid_score.calculate_frechet_distance(one["mu"], one["sigma"], two["mu"], two["sigma"])
    assert frechet_distance(real, generated).value == pytest.approx(expected, rel=tolerance)


def test_closed_form_of_diagonal_gaussians():
    m1, m2 = np.array([0.0, 1.0, -2.0]), np.array([1.0, 1.0, 0.5])
    s1, s2 = np.array([1.0, 4.0, 0.25]), np.array([9.0, 1.0, 0.25])
    expected = np.square(m1 - m2).sum() + np.square(np.sqrt(s1) - np.sqrt(s2)).sum()
    assert frechet(m1, np.diag(s1), m2, np.diag(s2)) == pytest.approx(expected, rel=1e-12)


def test_closed_form_where_a_direction_is_missing():
    s1, s2 = np.diag([1.0, 4.0, 0.0]), np.diag([4.0, 0.0, 9.0])
    assert frechet(np.zeros(3), s1, np.zeros(3), s2) == pytest.approx(1 + 4 + 9, rel=1e-12)


def test_symmetric(pair):
    real, generated, _ = pair
    assert frechet_distance(real, generated).value == pytest.approx(frechet_distance(generated, real).value, rel=1e-9)


def test_order_of_rows_does_not_move_the_value(pair):
    real, generated, _ = pair
    shuffled = RNG(0).permutation(generated)
    assert frechet_distance(real, shuffled).value == pytest.approx(frechet_distance(real, generated).value, rel=1e-9)


def test_a_set_has_no_distance_from_itself(pair):
    real, _, _ = pair
    assert frechet_distance(real, real).value < 1e-9 * np.var(real) * real.shape[1]


def test_data_far_from_zero_keeps_its_digits():
    real, generated, _ = PAIRS["full rank"]
    expected = frechet_distance(real, generated).value
    assert frechet_distance(real + 1e6, generated + 1e6).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("ddof", [0, 1])
def test_without_an_interval_the_value_is_the_same_and_nothing_is_deleted(name, ddof, monkeypatch):
    real, generated, _ = PAIRS[name]
    whole = frechet_distance(real, generated, ddof=ddof)
    monkeypatch.setattr("genkit.metrics.numerics.frechet.trace_of_root", None)
    alone = frechet_distance(real, generated, ddof=ddof, interval=False)
    assert alone.value == pytest.approx(whole.value, rel=1e-9)
    assert (alone.ci_low, alone.ci_high, alone.stderr, alone.replicates) == (alone.value, alone.value, 0.0, ())
    assert (alone.note, alone.rankable, alone.n) == (whole.note, whole.rankable, whole.n)
    assert "no interval" in alone.method


def test_replicates_leave_out_one_block_each():
    real, generated, _ = PAIRS["full rank"]
    found = frechet_distance(real, generated, blocks=20)
    keep = block_of(len(real), 20) != 3
    assert len(found.replicates) == 40
    assert found.replicates[3] == pytest.approx(frechet_distance(real[keep], generated).value, rel=1e-9)
    keep = block_of(len(generated), 20) != 19
    assert found.replicates[39] == pytest.approx(frechet_distance(real, generated[keep]).value, rel=1e-9)


def test_replicates_of_few_rows_leave_out_one_block_each():
    real, generated, _ = PAIRS["n < d"]
    found = frechet_distance(real, generated)
    keep = block_of(len(real), 20) != 3
    assert found.replicates[3] == pytest.approx(frechet_distance(real[keep], generated).value, rel=1e-9)


def test_no_more_rows_than_columns_is_measured_but_not_ranked():
    real = features(200, 32, 0)
    assert frechet_distance(real, features(33, 32, 1)).rankable
    few = frechet_distance(real, features(32, 32, 1))
    assert not few.rankable
    assert "32 rows are too few" in few.note
    # the interval is for the distance of as few, so it is as narrow as that of a number without bias
    assert 0 < few.ci_low < few.value < few.ci_high
    assert few.ci_high - few.value == pytest.approx(few.value - few.ci_low)


def test_an_interval_around_nothing_starts_at_0_and_keeps_its_width():
    real = features(400, 8, 0)
    found = frechet_distance(real, real + 1e-3)
    assert 0 <= found.ci_low <= found.value
    assert found.ci_high - found.value > found.stderr > 0


def test_effective_rank_is_noted_and_a_collapsed_model_stays_ranked():
    found = frechet_distance(features(400, 32, 0), np.tile(features(1, 32, 1), (400, 1)))
    assert "real 32, generated 0 of 32" in found.note
    assert found.rankable
    assert np.isfinite(found.value)


def test_tensors_and_arrays_give_one_value():
    real, generated, _ = PAIRS["full rank"]
    tensors = frechet_distance(torch.from_numpy(real).float().requires_grad_(), torch.from_numpy(generated).float())
    assert tensors == frechet_distance(real.astype(np.float32), generated.astype(np.float32))


@pytest.mark.parametrize(
    ("real", "error", "words"),
    [
        (np.zeros((2, 4)), DataError, "real features has 2 rows; at least 3"),
        (np.zeros((0, 4)), DataError, "0 rows"),
        (np.zeros((5, 0)), DataError, "rows without values"),
        (np.zeros(5), UsageError, r"must be \[n, d\]"),
        (np.zeros((5, 1, 4, 4)), UsageError, r"must be \[n, d\], .*: genkit.features.load_extractor makes features"),
        (np.zeros((5, 3)), UsageError, "3 columns and generated features 4"),
        (np.full((5, 4), np.nan), DataError, "NaN or infinity, first in row 0"),
        (np.full((5, 4), np.inf), DataError, "NaN or infinity"),
        (np.full((5, 4), "a"), UsageError, "real numbers"),
        ([[1.0], [1.0, 2.0]], UsageError, "rectangular"),
    ],
)
def test_what_cannot_be_measured_is_refused(real, error, words):
    with pytest.raises(error, match=words):
        frechet_distance(real, np.zeros((5, 4)))


def test_stylegan3_divides_by_n():
    real, generated, _ = PAIRS["full rank"]
    s1, s2 = (np.cov(x, rowvar=False, ddof=0) for x in (real, generated))
    root = scipy.linalg.sqrtm(s2 @ s1).real
    expected = np.square(real.mean(0) - generated.mean(0)).sum() + np.trace(s1 + s2 - 2 * root)
    assert frechet_distance(real, generated, ddof=0).value == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(real, generated).value != pytest.approx(expected, rel=1e-3)


def test_torch_fidelitys_means_are_of_single_precision():
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
    real, generated = (features(3000, 4, seed, shift=1000.0).astype(np.float32) for seed in (0, 1))
    two = [metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (real, generated)]
    expected = metric_fid.fid_statistics_to_metric(*two, False)[metric_fid.KEY_METRIC_FID]
    assert frechet_distance(real, generated, mean_dtype="float32").value == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(real, generated).value != pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("choice", "words"), [({"ddof": 2}, "ddof must be"), ({"mean_dtype": "half"}, "mean_dtype")])
def test_other_protocols_are_refused(choice, words):
    real, generated, _ = PAIRS["full rank"]
    with pytest.raises(UsageError, match=words):
        frechet_distance(real, generated, **choice)


@pytest.mark.parametrize(("n", "m"), [(1600, 1100), (1600, 240), (240, 250)], ids=["full rank", "one n < d", "n < d"])
@pytest.mark.parametrize("ddof", [0, 1])
def test_quick_replicates_are_the_exact_ones(n, m, ddof):
    # 256 columns and blocks of few rows: the replicates are by quadrature.
    scales = np.arange(1, 257) ** -0.7
    real, generated = features(n, 256, 0) * scales, features(m, 256, 1, 1.1, 0.05) * scales
    found = frechet_distance(real, generated, ddof=ddof)
    sides = FeatureStatistics.fit(real, ddof=ddof), FeatureStatistics.fit(generated, ddof=ddof)
    exact = [
        [distance(FeatureStatistics.fit(x[block_of(len(x), 20) != b], ddof=ddof), fixed) for b in range(20)]
        for x, fixed in ((real, sides[1]), (generated, sides[0]))
    ]
    expected = jackknife.two_sample_score(distance(*sides), *exact, m)
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert found.stderr == pytest.approx(expected.stderr, rel=0.01)
    assert abs(found.ci_high - expected.ci_high) < 0.01 * expected.stderr
    assert np.abs(np.subtract(found.replicates, expected.replicates)).max() < 1e-4 * expected.stderr


@pytest.fixture(params=["full rank", "rank deficient", "n < d"])
def reference(request):
    real, generated, _ = PAIRS[request.param]
    return FeatureStatistics.fit(real), real, generated


def test_a_reference_fitted_before_gives_the_same_score(reference):
    fit, real, generated = reference
    assert frechet_distance(fit, generated) == frechet_distance(real, generated)


@pytest.mark.parametrize("ddof", [0, 1])
def test_a_reference_comes_back_from_disk(reference, ddof, tmp_path):
    _, real, generated = reference
    fit = FeatureStatistics.fit(real, ddof=ddof)
    np.savez(tmp_path / "fit.npz", **fit.to_arrays())
    np.save(tmp_path / "real.npy", real)
    with np.load(tmp_path / "fit.npz") as arrays:
        kept = FeatureStatistics.from_arrays(arrays, np.load(tmp_path / "real.npy", mmap_mode="r"))
    assert frechet_distance(kept, generated, ddof=ddof) == frechet_distance(real, generated, ddof=ddof)


def test_a_second_model_pays_only_its_own_fit(monkeypatch):
    real, generated, _ = PAIRS["full rank"]
    arrays = FeatureStatistics.fit(real).to_arrays()
    summed, update = [], Moments.update
    monkeypatch.setattr(Moments, "update", lambda self, rows: (summed.append(len(rows)), update(self, rows))[1])
    frechet_distance(FeatureStatistics.from_arrays(arrays, real), generated)
    assert summed == [len(generated)]


def test_a_reference_of_other_features_or_choices_is_refused():
    real, generated, _ = PAIRS["full rank"]
    fit = FeatureStatistics.fit(real)
    with pytest.raises(DataError, match=r"kept fit is of \[500, 32\] features, not of \[499, 32\]"):
        FeatureStatistics.from_arrays(fit.to_arrays(), real[1:])
    with pytest.raises(UsageError, match="fitted with ddof 1, not 0"):
        frechet_distance(fit, generated, ddof=0)
    with pytest.raises(UsageError, match="32 columns and generated features 3"):
        frechet_distance(fit, generated[:, :3])


def test_a_mean_and_a_covariance_alone_give_the_value_without_an_interval():
    real, generated, _ = PAIRS["full rank"]
    fit = FeatureStatistics.fit(real)
    found = frechet_distance(FeatureStatistics(fit.mean, fit.cov), generated)
    assert found.value == pytest.approx(frechet_distance(fit, generated).value, rel=1e-9)
    assert found.method.startswith("no interval") and not found.rankable


def test_the_blocks_are_never_in_memory_together():
    d = 192
    real, generated = features(1000, d, 0), features(1000, d, 1)
    tracemalloc.start()
    frechet_distance(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 8 * d**2 + real.nbytes


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(("d", "n", "m"), [(8, 1437, 5000), (32, 360, 360), (64, 1437, 5000), (64, 40, 40)])
def test_intervals_hold_the_average_distance_of_such_sets(d, n, m, apart):
    rng = RNG(0)
    scales, shift = np.linspace(0.5, 1.5, d) if apart else np.ones(d), 0.5 / np.sqrt(d) if apart else 0.0
    found = [
        frechet_distance(rng.standard_normal((n, d)), rng.standard_normal((m, d)) * scales + shift) for _ in range(200)
    ]
    truth = np.mean([each.value for each in found])
    share = np.mean([each.ci_low <= truth <= each.ci_high for each in found])
    assert share >= 0.90
    # The first-order error vanishes for equal distributions, and with n <= d the bias is added: too wide there.
    assert share <= 0.99 or not apart or min(n, m) <= d
