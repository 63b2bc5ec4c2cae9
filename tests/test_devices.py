"""Devices are picked by name, and one that is not here is an error before any work."""

from __future__ import annotations

import pytest
import torch

from genkit.devices import pick_device
from genkit.errors import UsageError


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for there, name in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto").type == name


def test_a_named_device_is_taken():
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "meta", "cpu:x"])
def test_a_device_that_is_not_here_is_named(name):
    with pytest.raises(UsageError, match=f"there is no device '{name}' here"):
        pick_device(name)


def test_auto_takes_mps_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert pick_device("auto").type == "mps"
