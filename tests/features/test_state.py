from __future__ import annotations

import hashlib
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from genkit.errors import DataError, MissingError
from genkit.features.state import own_name, read_state

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(1)}


@pytest.mark.parametrize(("name", "write"), [("w.pth", torch.save), ("w.safetensors", save_file)])
def test_tensors_are_read_with_the_hash_of_the_file(tmp_path, name, write):
    write(STATE, tmp_path / name)
    state, sha256 = read_state(tmp_path / name, "test weights")
    assert sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


class Malicious:
    """Runs a command when it is unpickled freely."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
@pytest.mark.parametrize("name", ["bad.pth", "bad.safetensors"])
def test_a_malicious_file_is_refused_and_not_run(tmp_path, write, name):
    marker = tmp_path / "was-run"
    with open(tmp_path / name, "wb") as file:
        write({"fc.weight": Malicious(marker)}, file)
    with pytest.raises(DataError, match=r"bad\.\w+ is not a file of test weights"):
        read_state(tmp_path / name, "test weights")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
@pytest.mark.parametrize("name", ["bad.pth", "bad.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="is not a file of test weights"):
        read_state(tmp_path / name, "test weights")


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": torch.zeros(1), "epoch": 3}])
def test_anything_but_tensors_by_name_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(DataError, match="must hold the network's tensors and nothing else"):
        read_state(tmp_path / "bad.pth", "test weights")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"the test weights .*absent\.pth can't be read: No such file"):
        read_state(tmp_path / "absent.pth", "test weights")


def test_only_published_weights_have_the_plain_name():
    assert own_name("net", "abcdef0123456789", "abcdef0123456789") == "net"
    assert own_name("net", "abcdef0123456789", "another") == "net-abcdef01"


def test_files_of_before_pytorch_1_6_are_read(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    state, sha256 = read_state(tmp_path / "old.pth", "weights")
    assert state["a"].tolist() == [0, 1, 2]
    assert sha256 == hashlib.sha256((tmp_path / "old.pth").read_bytes()).hexdigest()
