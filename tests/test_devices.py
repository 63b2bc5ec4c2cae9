"""Devices are picked by name, and one that is not here is an error before any work."""

from __future__ import annotations

import pytest
import torch

from genkit.devices import autocast, device_name, pick_device, pick_precision
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


def test_without_a_wish_the_precision_is_that_of_the_device(monkeypatch):
    assert pick_precision(None, torch.device("cpu")) == "float32" == pick_precision("", torch.device("mps"))
    for supported, found in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda supported=supported: supported)
        assert pick_precision(None, torch.device("cuda")) == found
    with pytest.raises(UsageError, match="cuda does not compute in bfloat16: give a new run --precision float32"):
        pick_precision("bfloat16", torch.device("cuda"))
    with pytest.raises(UsageError, match="no precision 'half' to train in: choose float32 or bfloat16"):
        pick_precision("half", torch.device("cpu"))


def test_mixed_precision_multiplies_in_bfloat16():
    one = torch.ones(2, 2)
    for precision, kind in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(torch.device("cpu"), precision):
            assert (one @ one).dtype == kind


def test_the_name_of_the_processor_says_its_cores():
    assert device_name(torch.device("cpu")).startswith("cpu, ")
