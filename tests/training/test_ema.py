from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from genkit.training.ema import RAMP, Ema


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), spectral_norm(nn.Linear(3, 3)))
        self.body.register_buffer("codebook", torch.zeros(2))
        self.body.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.other = nn.Linear(2, 2)


def test_only_the_named_modules_are_averaged():
    ema = Ema(Toy(), ("body",), 100)
    assert all(key.startswith("body.") for key in ema.average)
    assert "body.scratch" not in ema.average


def test_the_weight_of_a_step_is_its_share_of_the_half_life():
    model = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False)})
    nn.init.zeros_(model["a"].weight)
    ema = Ema(model, ("a",), 1000)
    nn.init.ones_(model["a"].weight)
    seen = 1_000_000
    for _ in range(10):
        ema.update(100, seen)
    assert ema.average["a.weight"].item() == pytest.approx(0.5, rel=1e-6)


def test_the_ramp_bounds_the_half_life_by_the_images_seen():
    model = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False)})
    nn.init.zeros_(model["a"].weight)
    ema = Ema(model, ("a",), 10**9)
    nn.init.ones_(model["a"].weight)
    ema.update(50, 1000)
    assert ema.average["a.weight"].item() == pytest.approx(1 - 0.5 ** (50 / (1000 * RAMP)), rel=1e-6)


def test_batch_norm_statistics_are_averaged_and_other_buffers_copied():
    torch.manual_seed(0)
    model = Toy()
    ema = Ema(model, ("body",), 100)
    before = {key: value.clone() for key, value in ema.average.items()}
    for _ in range(3):
        model.body(torch.randn(8, 3) * 4 + 2)
    model.body.codebook.fill_(7)
    ema.update(100, 10**6)
    live = model.state_dict()
    for key in ("body.1.running_mean", "body.1.running_var"):
        assert torch.allclose(ema.average[key], (before[key] + live[key]) / 2)
    copied = ["body.1.num_batches_tracked", "body.codebook"]
    copied += [key for key in live if key.endswith(("._u", "._v"))]
    assert len(copied) == 4
    assert all(torch.equal(ema.average[key], live[key]) for key in copied)
    assert not torch.equal(before["body.1.num_batches_tracked"], live["body.1.num_batches_tracked"])


def test_the_vectors_of_a_spectral_norm_keep_unit_length():
    torch.manual_seed(0)
    model = Toy()
    ema = Ema(model, ("body",), 30)
    for step in range(1, 20):
        with torch.no_grad():
            model.body[2].parametrizations.weight.original.normal_()
        model.body(torch.randn(4, 3))
        ema.update(10, step * 10)
    vectors = [value for key, value in ema.average.items() if key.endswith(("._u", "._v"))]
    assert torch.allclose(torch.stack([vector.norm() for vector in vectors]), torch.ones(2), atol=1e-6)


def test_tied_weights_and_overlapping_names_are_averaged_once():
    model = nn.Module()
    model.a = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.a[1].weight = model.a[0].weight
    ema = Ema(model, ("a", "a.0"), 100)
    before = model.a[0].weight.detach().clone()
    with torch.no_grad():
        model.a[0].weight += 1
    ema.update(100, 10**6)
    for key in ("a.0.weight", "a.1.weight"):
        assert torch.allclose(ema.average[key], before + 0.5)
    with ema.applied():
        assert torch.allclose(model.a[1].weight, before + 0.5)
        assert model.a[0].weight is model.a[1].weight


def test_applied_gives_the_model_its_own_weights_back_even_after_an_error():
    model = Toy()
    ema = Ema(model, ("body",), 100)
    with torch.no_grad():
        model.body[0].weight += 1
    own = {key: value.clone() for key, value in model.state_dict().items()}
    inside = []

    def work():
        with ema.applied():
            inside.append(model.body[0].weight.detach().clone())
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        work()
    assert torch.allclose(inside[0], own["body.0.weight"] - 1, atol=1e-6)
    assert all(torch.equal(value, own[key]) for key, value in model.state_dict().items())


def test_what_changes_while_following_is_taken_over_and_the_rest_is_not():
    model = Toy()
    ema = Ema(model, ("body",), 100)
    with torch.no_grad():
        model.body[0].weight += 1
    averaged = ema.average["body.0.weight"].clone()
    with ema.copying_changes():
        model.body.codebook.fill_(5)
    assert torch.equal(ema.average["body.codebook"], torch.full((2,), 5.0))
    assert torch.equal(ema.average["body.0.weight"], averaged)


def test_the_average_shares_no_memory_with_the_model():
    model = Toy()
    ema = Ema(model, ("body",), 100)
    before = {key: value.clone() for key, value in ema.average.items()}
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(value, before[key]) for key, value in ema.average.items())


def test_without_names_there_is_nothing_to_do():
    ema = Ema(Toy(), (), 100)
    ema.update(10, 10)
    assert ema.average == {}
