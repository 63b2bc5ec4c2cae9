"""Conditions of texts."""

from __future__ import annotations

import pytest
import torch

from genkit.models.conditions import Condition, concatenated


def _condition(n: int, length: int) -> Condition:
    tokens = torch.randn(n, length, 3, generator=torch.Generator().manual_seed(0))
    return Condition(tokens, torch.arange(length) < torch.arange(n)[:, None])


def test_mean_leaves_padding_out():
    condition = _condition(3, 4)
    assert condition.mean()[0].eq(0).all()
    torch.testing.assert_close(condition.mean()[2], condition.tokens[2, :2].mean(0))


def test_parts_concatenated_are_the_whole_padded():
    short, long = _condition(2, 3), _condition(3, 5)
    both = concatenated([short, long])
    assert both.tokens.shape == (5, 5, 3) and not both.mask[:2, 3:].any()
    assert torch.equal(both[2:].tokens, long.tokens) and torch.equal(both[:2].mean(), short.mean())
    assert [len(part) for part in both.split(2)] == [2, 2, 1]


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"tokens \[N, T, d\]"):
        Condition(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="bool mask"):
        Condition(torch.zeros(2, 3, 1), torch.ones(2, 3))
