"""Quantisers by their definitions: levels, mixed radix numbers, straight-through gradients, the commitment."""

from __future__ import annotations

import itertools

import pytest
import torch
from genkit_tokens.quantisers import FSQ, VQ
from genkit_tokens.tokenizer import TokenizerOptions

from genkit.errors import OptionsError
from genkit.models import Step
from genkit.options import build

LEVELS = (8, 6, 5)


def test_fsq_rounds_to_the_levels_of_the_paper() -> None:
    z = torch.linspace(-6, 6, 2001)
    for count in (3, 4, 5, 8):
        half = (count - 1) * 1.001 / 2
        off = 0.5 if count % 2 == 0 else 0.0
        expected = torch.round(torch.tanh(z + torch.atanh(torch.tensor(off / half))) * half - off) / (count // 2)
        quantised, tokens, loss = FSQ([count])(z[:, None])
        torch.testing.assert_close(quantised[:, 0], expected, atol=1e-6, rtol=0)
        assert quantised.unique().numel() == count == tokens.unique().numel()
        assert loss == 0


def test_zero_is_a_level_and_the_even_levels_are_shifted_down() -> None:
    assert FSQ([8])(torch.zeros(1, 1))[0].item() == 0
    assert sorted(FSQ([4]).lookup(torch.arange(4)).flatten().tolist()) == [-1.0, -0.5, 0.0, 0.5]
    assert sorted(FSQ([5]).lookup(torch.arange(5)).flatten().tolist()) == [-1.0, -0.5, 0.0, 0.5, 1.0]


def test_tokens_number_all_codes_and_look_up_what_was_quantised() -> None:
    fsq = FSQ(LEVELS)
    assert fsq.codes == 240
    every = fsq.lookup(torch.arange(240))
    assert len(every.unique(dim=0)) == 240
    torch.testing.assert_close(every[1], every[0] + torch.tensor([1 / 4, 0, 0]))  # the first digit is the lowest
    torch.testing.assert_close(every[8], every[0] + torch.tensor([0, 1 / 3, 0]))
    quantised, tokens, _ = fsq(3 * torch.randn(7, 5, 3))
    torch.testing.assert_close(fsq.lookup(tokens), quantised, atol=1e-6, rtol=0)


def test_tokens_of_many_codes_are_exact() -> None:
    fsq = FSQ([8, 8, 8, 8, 8, 8])
    tokens = torch.arange(0, fsq.codes, 1237)
    assert fsq(
        torch.atanh(((fsq.lookup(tokens) * 4 + 0.5) / (3.5 * 1.001)).clamp(-0.9999, 0.9999))
        - torch.atanh(torch.tensor(0.5 / (3.5 * 1.001)))
    )[1].equal(tokens)
    assert tokens.dtype == torch.int64


def test_the_straight_through_gradient_is_that_of_the_bounded_number() -> None:
    z = torch.randn(9, 3, requires_grad=True)
    fsq = FSQ(LEVELS)
    (found,) = torch.autograd.grad(fsq(z)[0].sum(), z)
    bounded = torch.tanh(z + torch.atanh(fsq.offset / fsq.reach)) * fsq.reach / fsq.middle
    (expected,) = torch.autograd.grad(bounded.sum(), z)
    torch.testing.assert_close(found, expected)
    assert (found != 0).all()


def test_two_levels_are_refused() -> None:
    with pytest.raises(OptionsError, match="greater than or equal to 3"):
        build(TokenizerOptions, {"levels": [8, 2]}, "vq-gpt")


def test_the_commitment_pulls_the_encoder_alone() -> None:
    torch.manual_seed(0)
    vq = VQ(6, 3, 0.25)
    z = torch.randn(4, 5, 3, requires_grad=True)
    quantised, tokens, commitment = vq(z)
    (pull,) = torch.autograd.grad(commitment, z, retain_graph=True)
    torch.testing.assert_close(pull, 0.25 * 2 * (z - vq.lookup(tokens)).detach() / z.numel())
    (through,) = torch.autograd.grad(quantised.sum(), z)
    assert torch.equal(through, torch.ones_like(z))
    assert not list(vq.parameters())  # the averages move the codebook, and nothing else does


def test_vq_moves_in_training_and_never_in_evaluation() -> None:
    torch.manual_seed(0)
    vq, step = VQ(6, 3, 0.25), Step(0, 0, torch.Generator())
    z = torch.randn(4, 5, 3)
    vq.initialise(z.flatten(0, 1))
    before = vq.codebook.vectors.clone()
    for training, moved in ((False, False), (True, True)):
        vq.train(training)
        vq(z)
        assert bool(vq.codebook.seen_usage.any()) == moved
    vq.update(step)
    assert not torch.equal(vq.codebook.vectors, before)


def test_every_digit_of_every_level_is_reached_by_finite_vectors() -> None:
    for levels in itertools.product((3, 4), (5, 8)):
        fsq = FSQ(levels)
        grid = torch.cartesian_prod(*(torch.linspace(-5, 5, 400) for _ in levels))
        assert fsq(grid)[1].unique().numel() == fsq.codes
