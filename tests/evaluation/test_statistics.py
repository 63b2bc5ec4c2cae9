"""Statistics of features in place of images. Tests genkit.evaluation.statistics and genkit.evaluation.arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg

from genkit.errors import DataError, UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.statistics import read_statistics
from genkit.evaluation.verify import _unknown
from genkit.features import load_extractor
from genkit.metrics import FeatureStatistics, frechet_distance


def gaussian(seed, n=300, d=24):
    rows = np.random.default_rng(seed).normal(size=(n, d)) @ np.random.default_rng(9).normal(size=(d, d)) + seed
    return rows.mean(0), np.cov(rows, rowvar=False)


def formula(one, two):
    (m1, s1), (m2, s2) = one, two
    return float((m1 - m2) @ (m1 - m2) + np.trace(s1 + s2 - 2 * linalg.sqrtm(s1 @ s2).real))


def written(path, statistics, **more):
    np.savez(path, mu=statistics[0], sigma=statistics[1], **more)
    return path


@pytest.mark.filterwarnings("ignore:The `disp` argument")
def test_two_files_of_statistics_give_the_formulas_distance_without_an_interval(tmp_path):
    one, two = gaussian(0), gaussian(1)
    done = compare(written(tmp_path / "a.npz", one), written(tmp_path / "b.npz", two)).record
    (score,) = done.scores
    assert score.name == "fid[given]"
    assert score.value == pytest.approx(formula(one, two), rel=1e-9)
    assert (score.ci_low, score.ci_high, score.rankable) == (score.value, score.value, False)
    assert "no interval: statistics do not say" in score.note
    assert "statistics hold no single features" in done.absent["kid"]
    arrays = [FeatureStatistics(*each) for each in (one, two)]
    assert frechet_distance(*arrays).value == pytest.approx(score.value, rel=1e-12)
    assert compare(*arrays).record.scores[0].value == pytest.approx(score.value, rel=1e-12)


@pytest.mark.parametrize(("protocol", "ddof"), [("genkit", 1), ("stylegan3", 0)])
def test_images_against_statistics_and_back_by_the_protocols_ddof(digits, tmp_path, protocol, ddof):
    rows = load_extractor("random-conv")(torch.from_numpy(digits.train.uint8(slice(None)))).features
    rows = rows.double().numpy()
    two = load_extractor("random-conv")(torch.from_numpy(digits.test.uint8(slice(None)))).features
    two = two.double().numpy()
    file = tmp_path / "train.npz"
    asked = {"features": "random-conv", "metrics": "fid", "protocol": protocol}
    whole = compare(digits.test, digits, save_stats=file, **asked).record.scores[0]
    with np.load(file) as saved:
        assert sorted(saved.files) == ["mu", "sigma"]
        np.testing.assert_allclose(saved["mu"], rows.mean(0), rtol=1e-5)
        np.testing.assert_allclose(saved["sigma"], np.cov(rows, rowvar=False, ddof=ddof), rtol=1e-4, atol=1e-7)
    from_file = compare(digits.test, file, **asked).record.scores[0]
    assert from_file.name == "fid[random-conv]"
    assert from_file.value == pytest.approx(whole.value, rel=1e-6)
    assert from_file.n == len(digits.test)
    assert from_file.fingerprint != whole.fingerprint
    written(tmp_path / "test.npz", (two.mean(0), np.cov(two, rowvar=False, ddof=ddof)))
    back = compare(tmp_path / "test.npz", digits, **asked).record.scores[0]
    assert back.value == pytest.approx(whole.value, rel=1e-4)


def test_beside_images_fid_is_from_the_statistics_and_the_rest_from_the_images(digits, tmp_path, monkeypatch, caplog):
    def load(name, **how):
        extractor = load_extractor("random-conv")
        extractor.name = name
        return extractor

    monkeypatch.setattr("genkit.evaluation.evaluator.load_extractor", load)
    images = digits.train.uint8(slice(0, 300)).transpose(0, 2, 3, 1)
    np.savez(tmp_path / "plain.npz", arr_0=images)
    width = load("inception").dim
    one = gaussian(0, d=width)
    extra = {"arr_0": images, "mu_s": np.zeros(7), "sigma_s": np.eye(7)}
    file = written(tmp_path / "both.npz", one, **extra)
    plain = compare(digits.test, tmp_path / "plain.npz", metrics="fid,precision").record
    both = compare(digits.test, file, metrics="fid,precision").record
    assert both.score("precision").choices["data.sha256"] == plain.score("precision").choices["data.sha256"]
    assert both.score("precision").value == plain.score("precision").value
    alone = compare(digits.test, written(tmp_path / "alone.npz", one), metrics="fid", features="inception").record
    assert both.score("fid").value == pytest.approx(alone.scores[0].value, rel=1e-12)
    assert both.score("fid").fingerprint != plain.score("fid").fingerprint
    assert "fid is measured from its mu and sigma, the rest from its images" in caplog.text
    assert "not used: mu_s, sigma_s" in caplog.text
    assert _unknown(both.score("fid")) == "it is measured from statistics, not from images"
    assert not _unknown(plain.score("fid"))


def test_statistics_of_another_width_are_refused(digits, tmp_path):
    file = written(tmp_path / "a.npz", gaussian(0))
    with pytest.raises(UsageError, match=r"statistics of 24 features and random-conv makes .*--features"):
        compare(digits.test, file, features="random-conv")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.zeros(3)}, "statistics are mu and sigma, so save both"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"mean has shape \[3\] and the covariance \[4, 4\]"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "NaN or infinity"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 2], [0, 1]])}, "not symmetric"),
        ({"mu": np.zeros(2), "sigma": -np.eye(2)}, "negative variances"),
        ({"mu": np.zeros(2), "sigma": np.ones(2)}, r"covariance \[2\]"),
        ({"mu": np.zeros((2, 2)), "sigma": np.eye(2)}, r"the mean must be \[d\], not an array of shape \[2, 2\]"),
        ({"mu": np.zeros(2), "sigma": np.eye(2) + 1j}, "sigma must hold real numbers, not complex128"),
        ({"mu": np.zeros(2) > 0, "sigma": np.eye(2)}, "mu must hold real numbers, not bool"),
        ({"mu": np.zeros(2, object), "sigma": np.eye(2)}, "Python objects, which can run code .*numpy.savez"),
        ({"mean": np.zeros(2), "cov": np.eye(2)}, "has cov, mean: name statistics mu and sigma"),
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read_statistics(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"mu": np.array([[1.0, 2]]), "sigma": np.eye(2)[None]},
        {"mu": np.array([[1.0], [2]], np.float16), "sigma": np.eye(2, dtype=np.int64)},
        {"MU": np.array([1.0, 2]), "Sigma": np.eye(2) + 0j},
        {"mu": np.array([1, 2]), "sigma": np.eye(2, dtype=np.float32), "n": np.array(50)},
    ],
)
def test_mean_and_covariance_are_taken_in_the_forms_they_come_in(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_statistics(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.gaussian.mean, [1, 2])
    np.testing.assert_array_equal(found.gaussian.cov, np.eye(2))
    assert not found.with_images
    assert found.unused == (("n",) if "n" in arrays else ())


def test_statistics_of_one_feature_are_numbers(tmp_path):
    one = compare(written(tmp_path / "a.npz", (0.5, 4.0)), written(tmp_path / "b.npz", (1.5, 1.0))).record
    assert one.scores[0].value == pytest.approx(1 + (2 - 1) ** 2)


def test_pickled_statistics_are_not_opened(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match=r"is a pickle, .* numpy.savez\(FILE, mu=mean, sigma=covariance\)"):
        read_statistics(tmp_path / "a.pkl")
