from __future__ import annotations

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genkit.errors import DataError, MissingError, PluginError
from genkit.training import checkpoint


def network(seed=0):
    """A convolution in channels_last with fused Adam: the arrangement that a contiguous state breaks."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).to(
        memory_format=torch.channels_last
    )
    return net, torch.optim.Adam(net.parameters(), 1e-2, fused=True)


def steps(net, optimizer, first, last):
    for index in range(first, last):
        x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(index))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def stored(path, net, optimizer):
    state, plain = checkpoint.optimizer_state(optimizer)
    checkpoint.save(
        path, {**checkpoint.module_state(net), **{f"optimizer/{k}": v for k, v in state.items()}}, {"optimizer": plain}
    )
    tensors, meta = checkpoint.load(path)
    own = {k.removeprefix("optimizer/"): v for k, v in tensors.items() if k.startswith("optimizer/")}
    return {k: v for k, v in tensors.items() if not k.startswith("optimizer/")}, own, meta["optimizer"]


def continued(path, restore):
    """Weights after 3 steps, a checkpoint, a fresh network restored by ``restore``, and 3 more steps."""
    net, optimizer = network()
    steps(net, optimizer, 0, 3)
    weights, state, plain = stored(path, net, optimizer)
    net, optimizer = network(seed=1)
    checkpoint.restore_module(net, weights, "x")
    restore(optimizer, state, plain)
    steps(net, optimizer, 3, 6)
    return net.state_dict()


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_channels_last_and_fused_adam_continue_bit_identically(tmp_path):
    net, optimizer = network()
    steps(net, optimizer, 0, 6)
    assert equal(continued(tmp_path / "c.safetensors", checkpoint.restore_optimizer), net.state_dict())


def test_a_contiguous_state_would_go_elsewhere(tmp_path):
    """The trap itself, so that the test above is known to bite; were this to fail, torch has mended it."""

    def wrong(optimizer, tensors, plain):
        state = {}
        for name, tensor in tensors.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})

    net, optimizer = network()
    steps(net, optimizer, 0, 6)
    assert not equal(continued(tmp_path / "c.safetensors", wrong), net.state_dict())


def test_tensors_are_contiguous_on_disk_and_in_their_own_strides_after(tmp_path):
    net, optimizer = network()
    steps(net, optimizer, 0, 1)
    weights, state, plain = stored(tmp_path / "c.safetensors", net, optimizer)
    assert all(tensor.is_contiguous() for tensor in (*weights.values(), *state.values()))
    other, other_optimizer = network(seed=1)
    checkpoint.restore_module(other, weights, "x")
    checkpoint.restore_optimizer(other_optimizer, state, plain)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert one.stride() == two.stride()
        assert other_optimizer.state[two]["exp_avg"].stride() == two.stride()
        assert torch.equal(optimizer.state[one]["exp_avg_sq"], other_optimizer.state[two]["exp_avg_sq"])


def test_an_optimiser_keeps_groups_and_plain_values(tmp_path):
    net = nn.Linear(3, 2)
    parameters = [{"params": [net.weight], "lr": 0.1}, {"params": [net.bias], "lr": 0.2, "betas": (0.0, 0.5)}]
    optimizer = torch.optim.AdamW(parameters, betas=(0.3, 0.4))
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    _, state, plain = stored(tmp_path / "c.safetensors", net, optimizer)
    again = torch.optim.AdamW([{"params": [net.weight]}, {"params": [net.bias]}])
    checkpoint.restore_optimizer(again, state, plain)
    assert [(group["lr"], group["betas"]) for group in again.param_groups] == [(0.1, (0.3, 0.4)), (0.2, (0.0, 0.5))]
    assert again.state[net.bias]["step"].item() == 1


def test_a_scalar_parameter_does_not_capture_the_step_count(tmp_path):
    net = nn.Module()
    net.gain = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = torch.optim.Adam(net.parameters())
    net.gain.square().backward()
    optimizer.step()
    _, state, plain = stored(tmp_path / "c.safetensors", net, optimizer)
    again = torch.optim.Adam(net.parameters())
    checkpoint.restore_optimizer(again, state, plain)
    assert again.state[net.gain]["exp_avg"].dtype == torch.float64
    assert again.state[net.gain]["step"].dtype == torch.float32


def test_the_state_of_another_optimiser_is_one_sentence(tmp_path):
    net, optimizer = network()
    steps(net, optimizer, 0, 1)
    _, state, plain = stored(tmp_path / "c.safetensors", net, optimizer)
    other = torch.optim.Adam(nn.Linear(2, 2).parameters())
    with pytest.raises(DataError, match=r"run/c holds the state of another optimiser, not of this Adam"):
        checkpoint.restore_optimizer(other, state, plain, "run/c")


def test_tied_weights_are_saved_and_stay_tied(tmp_path):
    def tied():
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        net[1].weight = net[0].weight
        return net

    one, other = tied(), tied()
    checkpoint.save(tmp_path / "c", checkpoint.module_state(one), {})
    checkpoint.restore_module(other, checkpoint.load(tmp_path / "c")[0], "x")
    assert other[0].weight is other[1].weight
    assert equal(one.state_dict(), other.state_dict())


def test_views_and_dtypes_round_trip(tmp_path):
    base = torch.arange(12.0)
    tensors = {
        "view": base[2:8].view(2, 3).t(),
        "whole": base,
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 4),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "flag": torch.tensor([True, False]),
        "double": torch.tensor([1e-300], dtype=torch.float64),
    }
    checkpoint.save(tmp_path / "c", tensors, {"a": [1, {"b": None}]})
    loaded, meta = checkpoint.load(tmp_path / "c")
    assert all(torch.equal(loaded[key], tensors[key]) and loaded[key].dtype == tensors[key].dtype for key in tensors)
    assert meta == {"schema": checkpoint.SCHEMA, "a": [1, {"b": None}]}


def test_a_prefix_reads_only_its_tensors(tmp_path):
    checkpoint.save(tmp_path / "c", {"model/a": torch.ones(1), "ema/a": torch.ones(1)}, {})
    assert list(checkpoint.load(tmp_path / "c", "ema/")[0]) == ["ema/a"]


def test_a_missing_checkpoint_is_said_to_be_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "c")


@pytest.mark.parametrize("keep", [0, 4, 40, 300, -1])
def test_a_truncated_checkpoint_is_one_sentence(tmp_path, keep):
    path = tmp_path / "c"
    checkpoint.save(path, {"a": torch.ones(100)}, {"x": 1})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="c is not a whole genkit checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("document", [None, "[]", "{}", "not JSON", '{"schema": "x"}', "3", "null"])
def test_a_foreign_file_is_one_sentence(tmp_path, document):
    save_file({"a": torch.ones(1)}, tmp_path / "c", metadata=None if document is None else {"genkit": document})
    with pytest.raises(DataError, match="not a whole genkit checkpoint"):
        checkpoint.load(tmp_path / "c")


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "c").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="not a whole genkit checkpoint"):
        checkpoint.load(tmp_path / "c")


@pytest.mark.parametrize(("schema", "remedy"), [(99, "update genkit"), (1, "train the run anew")])
def test_another_schema_is_refused_with_a_remedy(tmp_path, schema, remedy):
    save_file({"a": torch.ones(1)}, tmp_path / "c", metadata={"genkit": json.dumps({"schema": schema})})
    with pytest.raises(DataError, match=f"schema {schema}; this genkit reads schema 2: {remedy}"):
        checkpoint.load(tmp_path / "c")


@pytest.mark.parametrize("broken", ["save_file", "replace", "fsync"])
def test_a_failure_in_mid_write_leaves_the_earlier_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "c"
    checkpoint.save(path, {"a": torch.ones(3)}, {"n": 1})

    def full(*arguments, **_):
        if broken == "save_file":
            with open(arguments[1], "wb") as file:
                file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint if broken == "save_file" else os, broken, full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"a": torch.zeros(3)}, {"n": 2})
    monkeypatch.undo()
    assert checkpoint.load(path)[1]["n"] == 1
    assert os.listdir(tmp_path) == ["c"]


def test_what_is_no_tensor_cannot_be_saved():
    class Odd(nn.Linear):
        def get_extra_state(self):
            return {"a": 1}

    with pytest.raises(PluginError, match="Odd keeps '_extra_state' of type dict in its state dict"):
        checkpoint.module_state(Odd(2, 2))


@pytest.mark.parametrize(
    "state", [{}, {"weight": torch.ones(2, 2)}, {"weight": torch.ones(3, 3), "bias": torch.ones(2)}]
)
def test_a_state_that_does_not_fit_is_one_sentence(state):
    with pytest.raises(DataError, match=r"^run/c does not fit Linear: [^\n]*$"):
        checkpoint.restore_module(nn.Linear(2, 2), state, "run/c")


def test_a_flip_anywhere_in_a_checkpoint_refuses_it_and_one_of_before_is_read(tmp_path):
    path = tmp_path / "c"
    checkpoint.save(path, {"a": torch.ones(100), "b": torch.zeros(3)}, {"x": 1})
    data, times = path.read_bytes(), path.stat()
    body = 8 + int.from_bytes(data[:8], "little")
    for place in (0, 3, body // 2, body - 1, body, (body + len(data)) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(DataError, match="c is not a whole genkit checkpoint"):
            checkpoint.load(path)
    save_file({"a": torch.ones(1)}, path, metadata={"genkit": json.dumps({"schema": 2, "x": 1})})
    assert checkpoint.load(path)[1] == {"schema": 2, "x": 1}


def test_equal_states_make_equal_files(tmp_path):
    for name in "ab":
        checkpoint.save(tmp_path / name, {"a": torch.ones(100), "b": torch.zeros(3)}, {"x": 1, "y": [2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
