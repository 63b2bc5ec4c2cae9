"""Devices are picked by name, and one that is not here is an error before any work."""

from __future__ import annotations

import pytest
import torch

from genkit.devices import autocast, device_name, launched, pick_device, pick_precision
from genkit.errors import UsageError


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for there, name in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto").type == name


@pytest.fixture
def four_gpus(monkeypatch):
    """A machine with four GPUs, and the third of its processes; returns the current GPU and what touched it before."""
    touched = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: touched.append(("current", device.index)))
    monkeypatch.setattr(torch, "zeros", lambda n, device: touched.append(("touched", device.index)) or torch.ones(n))
    for name, value in (("WORLD_SIZE", "8"), ("RANK", "6"), ("LOCAL_RANK", "2")):
        monkeypatch.setenv(name, value)
    return touched


@pytest.mark.parametrize("wanted", ["auto", "cuda", "cuda:2"])
def test_each_process_has_the_gpu_of_its_number_before_any_is_touched(four_gpus, wanted):
    assert pick_device(wanted) == torch.device("cuda", 2)
    assert four_gpus[0] == ("current", 2)
    assert {index for _, index in four_gpus} == {2}


def test_a_process_takes_no_other_gpu_and_the_only_one_that_it_sees(four_gpus, monkeypatch):
    with pytest.raises(UsageError, match="has a GPU of its own, here cuda:2: give --device cuda, not cuda:0"):
        pick_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match="process 2 of this machine has no GPU of its own, as there are 2"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda") == torch.device("cuda", 0)
    assert pick_device("cpu") == torch.device("cpu")


def test_an_environment_that_does_not_say_which_process_this_is_is_named(four_gpus, monkeypatch):
    assert launched() == (8, 6, 2)
    monkeypatch.delenv("LOCAL_RANK")
    with pytest.raises(
        UsageError, match=r"not which one this is \(WORLD_SIZE=8, RANK=6, LOCAL_RANK=\): launch them by"
    ):
        pick_device("cuda")
    for name, value in (("LOCAL_RANK", "-1"), ("LOCAL_RANK", "two"), ("RANK", "8"), ("RANK", ""), ("WORLD_SIZE", "0")):
        with monkeypatch.context() as changed:
            changed.setenv("LOCAL_RANK", "2")
            changed.setenv(name, value)
            with pytest.raises(
                UsageError, match=rf"not which one this is .*\b{name}={value}[,)].* or unset WORLD_SIZE"
            ):
                launched()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launched() == (1, 0, 0)


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
