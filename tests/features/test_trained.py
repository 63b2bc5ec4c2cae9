"""Tests trained and metadata of genkit.features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from genkit.errors import DataError, MissingError, UnknownName, UsageError
from genkit.features import (
    classifier,
    default_extractor,
    load_extractor,
    metadata,
    offered_choices,
    own_extractor,
    trained,
)
from genkit.features.extractor import FeatureRequest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(trained, "BUDGET", 2400)
    return tmp_path


@pytest.fixture
def small(digits):
    """A data set of its own: 400 of the digits, under another name."""
    part = dataclasses.replace(digits.train, pixels=digits.train.pixels[:400], labels=digits.train.labels[:400])
    return dataclasses.replace(digits, name="folder:somewhere/Photos", sha256="ab" * 32, train=part)


def test_training_is_deterministic_and_leaves_the_global_generator_alone(small):
    before = torch.get_rng_state()
    one, accuracy = trained.train_classifier(small)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    two, again = trained.train_classifier(small)
    other, _ = trained.train_classifier(small, seed=1)
    assert accuracy == again
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)


def test_accuracy_is_of_the_test_split_and_training_learns(small):
    module, accuracy = trained.train_classifier(small)
    right = 0
    for image, label in zip(small.test.uint8(slice(None)), small.test.labels, strict=True):
        right += int(module(torch.from_numpy(image.copy())[None])[1].argmax()) == label
    assert accuracy == right / 360
    assert accuracy > 0.8


def test_progress_ends_at_its_total(small):
    heard = []
    trained.train_classifier(small, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (2400, 2400)


def test_stored_found_and_chosen_by_content(small):
    with pytest.raises(MissingError, match="genkit features train --dataset folder:somewhere/Photos"):
        default_extractor(small)
    assert own_extractor(small) == ""
    info = trained.train_and_store(small)
    assert info["name"] == "folder-photos-cnn"
    assert [found["name"] for found in metadata.installed()] == ["folder-photos-cnn"]
    assert default_extractor(dataclasses.replace(small, name="folder:moved")) == "folder-photos-cnn"
    extractor = load_extractor("folder-photos-cnn")
    assert extractor.sha256 == info["sha256"]
    assert extractor(torch.from_numpy(small.test.uint8(slice(0, 3)).copy())).features.shape == (3, 64)


def test_the_same_name_for_other_data_keeps_both(small):
    trained.train_and_store(small)
    second = trained.train_and_store(dataclasses.replace(small, sha256="cd" * 32))
    assert second["name"] == "folder-photos-cdcdcdcd-cnn"
    assert len(metadata.installed()) == 2


def test_training_again_replaces_it(small):
    first = trained.train_and_store(small)
    second = trained.train_and_store(small, seed=1)
    assert [info["sha256"] for info in metadata.installed()] == [second["sha256"]]
    assert first["sha256"] != second["sha256"]


def test_an_embedded_name_is_not_taken(digits, small):
    info = trained.train_and_store(dataclasses.replace(small, name="digits"))
    assert info["name"] == "digits-abababab-cnn"


def test_data_without_labels_is_refused(small):
    unlabelled = dataclasses.replace(small, train=dataclasses.replace(small.train, labels=None), classes=())
    with pytest.raises(UsageError, match="no labels"):
        trained.train_classifier(unlabelled)


def test_a_weights_file_is_refused(small, tmp_path):
    trained.train_and_store(small)
    with pytest.raises(UsageError, match="takes no weights file"):
        load_extractor("folder-photos-cnn", weights=tmp_path / "x")


@pytest.mark.parametrize("name", ["digits-cn", "../../etc/passwd"])
def test_unknown_names(name):
    with pytest.raises(UnknownName, match="no extractor named"):
        load_extractor(name)
    with pytest.raises(UnknownName):
        trained.trained(FeatureRequest(name))


def test_a_damaged_card_in_the_cache_is_named(cache):
    (cache / "features" / "x").mkdir(parents=True)
    (cache / "features" / "x" / "x.json").write_text("{")
    named = []
    assert metadata.installed(named.append) == []
    assert len(named) == 1 and "x.json is not an extractor's metadata" in named[0]
    for use in (load_extractor, offered_choices):
        with pytest.raises(DataError, match=r"x\.json is not an extractor's metadata"):
            use("x")


@pytest.mark.parametrize("text", ["{", "[]", '{"name": ["a"]}', "[" * 100_000, "", "\x00"])
def test_a_damaged_card_costs_only_those_who_need_it(small, cache, caplog, text):
    trained.train_and_store(small)
    (cache / "features" / "x").mkdir(parents=True)
    (cache / "features" / "x" / "x.json").write_text(text)
    assert own_extractor(small) == "folder-photos-cnn"
    assert "x.json is not an extractor's metadata" in caplog.text
    assert offered_choices("folder-photos-cnn") == offered_choices("random-conv") == {}
    assert load_extractor("folder-photos-cnn").dim == 64
    assert load_extractor("random-conv").name == "random-conv"


def test_features_use_all_their_dimensions(small):
    trained.train_and_store(small)
    features = load_extractor("folder-photos-cnn")(torch.from_numpy(small.test.uint8(slice(None)).copy())).features
    values = np.linalg.eigvalsh(np.cov(features.double().numpy(), rowvar=False))
    assert values[0] > 1e-6 * values[-1]


@pytest.mark.parametrize("writes", [0, 1])
def test_training_again_that_is_cut_short_leaves_the_first_whole(small, monkeypatch, writes):
    """Whether the weights are written or not, until the metadata is there the first classifier is the one."""
    first = trained.train_and_store(small)
    write, done = classifier.write_atomic, []

    def killed(path, data):
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        write(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(classifier, "write_atomic", killed)
        trained.train_and_store(small, seed=1)
    assert load_extractor(first["name"]).sha256 == first["sha256"]
    second = trained.train_and_store(small, seed=1)
    assert load_extractor(first["name"]).sha256 == second["sha256"] != first["sha256"]
    kept = [path.suffix for path in (metadata.folder() / first["name"]).iterdir() if path.name != ".lock"]
    assert sorted(kept) == [".json", ".safetensors"]


def test_one_of_an_older_version_is_still_read(small):
    info = trained.train_and_store(small)
    (weights,) = (metadata.folder() / info["name"]).glob("*.safetensors")
    weights.rename(weights.with_name(f"{info['name']}.safetensors"))
    assert load_extractor(info["name"]).sha256 == info["sha256"]


def test_a_classifier_that_is_replaced_while_it_is_loaded_is_loaded_anew(small, monkeypatch):
    first = trained.train_and_store(small)
    read, calls = metadata.read, []

    def replaced(path):
        info = read(path)
        calls.append(path)
        if len(calls) == 1:
            trained.train_and_store(small, seed=1)
        return info

    folder = metadata.folder() / first["name"]
    monkeypatch.setattr(classifier.metadata, "read", replaced)
    assert classifier.load(folder, first["name"]).sha256 != first["sha256"]


@pytest.mark.parametrize("place", [0, 300, -1])
def test_damaged_weights_are_trained_again_from_their_data_and_that_is_said(digits, cache, caplog, monkeypatch, place):
    monkeypatch.setattr(trained, "_free_name", lambda dataset: "own-cnn")
    info = trained.train_and_store(digits, seed=3)
    (path,) = (cache / "features" / "own-cnn").glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    request = FeatureRequest("own-cnn")
    assert trained.trained(request).sha256 == info["sha256"]
    assert "the weights of own-cnn were damaged: it was trained again and is the same" in caplog.messages
    path.write_bytes(bytes(data))
    monkeypatch.setattr(trained, "open_dataset", lambda name: dataclasses.replace(digits, sha256="0" * 64))
    with pytest.raises(DataError, match="does not have the sha256 that its metadata records: train it again"):
        trained.trained(request)


def test_a_flip_in_the_metadata_refuses_the_extractor(small, cache):
    info = trained.train_and_store(small)
    path = cache / "features" / info["name"] / f"{info['name']}.json"
    text = path.read_text()
    path.write_text(text.replace('"dim": 64', '"dim": 65'))
    with pytest.raises(DataError, match="is not an extractor's metadata .*sha256.*: delete its folder and train again"):
        metadata.read(path)
    path.write_text(text)
    assert metadata.read(path) == info
