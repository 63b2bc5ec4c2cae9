"""Features that another program made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from genkit.errors import DataError
from genkit.evaluation.compare import compare
from genkit.features import given
from genkit.features.given import read_features
from genkit.metrics import frechet_distance, kernel_distance


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    return [generator.normal(shift, 1, (200, 12)).astype(np.float32) for shift in (0, 0.3)]


def test_every_kind_of_file_is_read_alike(tmp_path, rows):
    np.save(tmp_path / "a.npy", rows[0].reshape(200, 12, 1, 1))
    np.savez(tmp_path / "a.npz", features=rows[0], names=np.arange(3))
    save_file({"x": rows[0]}, tmp_path / "a.safetensors")
    torch.save(torch.from_numpy(rows[0]), tmp_path / "a.pt")
    for each in ("a.npy", "a.npz", "a.safetensors", "a.pt"):
        np.testing.assert_array_equal(read_features(tmp_path / each), rows[0])


def test_metrics_of_features_are_measured_and_mix_with_no_extractors(tmp_path, rows):
    for name, each in zip(("real", "made"), rows, strict=True):
        np.save(tmp_path / f"{name}.npy", each)
    record = compare(tmp_path / "made.npy", tmp_path / "real.npy", features="given").record
    assert record.score("fid[given]").value == pytest.approx(frechet_distance(*rows).value, rel=1e-12)
    assert record.score("kid[given]").value == pytest.approx(kernel_distance(*rows).value, rel=1e-12)
    assert record.score("precision[given]")
    assert record.score("fid[given]").choices["features.extractor"] == "given"
    assert "without images" in record.absent["is"]
    assert len(record.subject.options["sha256"]) == len(record.protocol["data"]["sha256"]) == 64


class Foreign:
    """Something that only a pickle holds."""


def test_nothing_is_unpickled(tmp_path):
    torch.save({"features": Foreign()}, tmp_path / "a.pt")
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04")
    for each, words in (("a.pt", "can't be read"), ("a.npy", "can't be read"), ("a.pkl", "is a pickle")):
        with pytest.raises(DataError, match=words):
            read_features(tmp_path / each)


def test_a_tensor_that_repeats_its_rows_takes_no_more_memory_than_its_file(tmp_path):
    torch.save(torch.ones(1, 64).expand(300_000, 64), tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"a\.pt holds fewer numbers than its shape \[300000, 64\] has: save "):
        read_features(tmp_path / "a.pt")


def test_only_the_named_tensor_is_made_an_array(tmp_path, monkeypatch):
    torch.save({"features": torch.ones(2, 3).half(), "other": torch.ones(3, 3).half()}, tmp_path / "a.pt")
    made = []
    monkeypatch.setattr(given, "_numbers", lambda tensor, path: made.append(len(tensor)) or tensor.float().numpy())
    assert read_features(tmp_path / "a.pt").shape == (2, 3) and made == [2]


def test_images_are_no_features(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 3, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"features are numbers \[n, d\]"):
        read_features(tmp_path / "a.npy")
