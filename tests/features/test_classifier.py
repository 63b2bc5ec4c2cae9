from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from genkit.errors import DataError, MissingError, UsageError
from genkit.features import classifier
from genkit.features.classifier import Classifier, load, save, shifted
from genkit.files.locks import ProcessLock

FACTS = {
    "name": "toy-cnn",
    "dim": 64,
    "shape": [1, 8, 8],
    "classes": ["a", "b", "c"],
    "dataset": "toy",
    "dataset_sha256": "0" * 64,
    "test_accuracy": 0.5,
    "training": {},
}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save(Classifier((1, 8, 8), 3).eval(), FACTS, tmp_path)
    return tmp_path


def images(n, seed=0, shape=(1, 8, 8)):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 24), (1, 5, 9)])
def test_any_shape_gives_64_features(shape):
    features, logits = Classifier(shape, 7).eval()(images(3, shape=shape))
    assert features.shape == (3, 64)
    assert logits.shape == (3, 7)
    assert features.abs().max() <= 1


def test_what_is_loaded_is_what_was_saved(folder):
    torch.manual_seed(0)
    features, logits = Classifier((1, 8, 8), 3).eval()(images(5))
    found = load(folder, "toy-cnn")(images(5))
    torch.testing.assert_close(found.features, features.detach())
    torch.testing.assert_close(found.logits, logits.detach())


def test_of_two_that_save_at_a_time_one_waits_so_that_neither_removes_the_others_weights(folder, monkeypatch):
    held = []
    monkeypatch.setattr(
        classifier, "write_atomic", lambda path, data: held.append(ProcessLock(folder / ".lock").held())
    )
    save(Classifier((1, 8, 8), 3), FACTS, folder)
    assert held == [True, True] and not ProcessLock(folder / ".lock").held()


def test_the_size_of_the_batch_does_not_matter(folder):
    extractor = load(folder, "toy-cnn")
    whole = extractor(images(600)).features
    single = torch.cat([extractor(images(600)[i : i + 1]).features for i in range(0, 600, 37)])
    torch.testing.assert_close(single, whole[::37], rtol=1e-5, atol=1e-5)


def test_features_are_float32_without_gradient(folder):
    found = load(folder, "toy-cnn")(images(2)).features
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_extraction_leaves_weights_and_generators_alone(folder):
    extractor = load(folder, "toy-cnn")
    before = {name: tensor.clone() for name, tensor in extractor.module.state_dict().items()}
    random = torch.get_rng_state()
    extractor(images(300))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[name], tensor) for name, tensor in extractor.module.state_dict().items())


def weights(folder):
    (path,) = folder.glob("toy-cnn-*.safetensors")
    return path


def test_weights_of_another_hash_are_refused_before_they_are_parsed(folder):
    weights(folder).write_bytes(b"not tensors at all")
    with pytest.raises(DataError, match="does not have the sha256"):
        load(folder, "toy-cnn")


def test_one_changed_bit_is_seen(folder):
    path = weights(folder)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="does not have the sha256"):
        load(folder, "toy-cnn")


def test_missing_weights_are_named(folder):
    weights(folder).unlink()
    with pytest.raises(MissingError, match=r"toy-cnn-[0-9a-f]{12}\.safetensors"):
        load(folder, "toy-cnn")


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({k: v for k, v in FACTS.items() if k != "classes"})])
def test_a_damaged_card_is_refused(folder, text):
    (folder / "toy-cnn.json").write_text(text)
    with pytest.raises(DataError, match="not an extractor's metadata"):
        load(folder, "toy-cnn")


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28)])
def test_other_shapes_are_refused(folder, shape):
    with pytest.raises(UsageError, match="takes 1x8x8 images"):
        load(folder, "toy-cnn")(images(2, shape=shape))


def test_float_images_are_refused(folder):
    with pytest.raises(UsageError, match="uint8"):
        load(folder, "toy-cnn")(torch.rand(2, 1, 8, 8))


def test_no_images_are_refused(folder):
    with pytest.raises(UsageError, match="no images"):
        load(folder, "toy-cnn")(images(0))


def test_shifts_move_whole_images_by_at_most_one_pixel():
    dot = torch.zeros(200, 3, 8, 8, dtype=torch.uint8)
    dot[:, 1, 4, 4] = 255
    found = shifted(dot, 1, torch.Generator().manual_seed(0))
    assert found.shape == dot.shape
    assert found.dtype == torch.uint8
    where = found.nonzero().numpy()
    assert np.array_equal(where[:, 0], np.arange(200))
    assert set(where[:, 1]) == {1}
    assert {tuple(place) for place in where[:, 2:]} == {(4 + i, 4 + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
