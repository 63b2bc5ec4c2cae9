from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from genkit.errors import UsageError
from genkit.features import default_extractor, load_extractor, metadata
from genkit.features.digits_cnn import WEIGHTS
from genkit.metrics import frechet_distance


@pytest.fixture(scope="module")
def extractor():
    return load_extractor("digits-cnn")


def uint8(split):
    return torch.from_numpy(split.uint8(slice(None)).copy())


def test_the_card_tells_the_accuracy_that_the_weights_have(digits, extractor):
    predicted = extractor(uint8(digits.test)).logits.argmax(1).numpy()
    accuracy = float(np.mean(predicted == digits.test.labels))
    assert accuracy == metadata.read(WEIGHTS / "digits-cnn.json")["test_accuracy"]
    assert accuracy >= 0.97


def test_the_card_describes_the_file_and_the_data(digits):
    info = metadata.read(WEIGHTS / "digits-cnn.json")
    assert info["sha256"] == hashlib.sha256((WEIGHTS / "digits-cnn.safetensors").read_bytes()).hexdigest()
    assert info["dataset_sha256"] == digits.sha256
    assert (WEIGHTS / "digits-cnn.safetensors").stat().st_size < 300_000


def test_it_is_the_default_of_digits(digits):
    assert default_extractor(digits) == "digits-cnn"


def test_real_images_are_nearer_than_noise(digits, extractor):
    train, test = extractor(uint8(digits.train)).features, extractor(uint8(digits.test)).features
    noise = torch.randint(0, 256, (360, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    real, worst = frechet_distance(train, test), frechet_distance(train, extractor(noise).features)
    assert "real 64, generated 64 of 64" in real.note
    assert real.value < 0.02 * worst.value


def test_a_weights_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="embedded"):
        load_extractor("digits-cnn", weights=tmp_path / "x")
