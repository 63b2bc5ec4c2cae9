"""Vectors and logits of codes: what codes with a level in common share."""

from __future__ import annotations

import pytest
import torch
from genkit_tokens.codes import CodeEmbedding, CodeHead
from genkit_tokens.quantisers import FSQ, VQ, Quantiser


def filled(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def test_a_code_has_one_level_in_each_dimension_and_its_vector_is_the_sum() -> None:
    fsq = FSQ([4, 3])
    embedding = CodeEmbedding(fsq, 8)
    filled(embedding)
    code = 2 + 4 * 1  # level 2 of the first dimension, 1 of the second
    expected = embedding.own.weight[code] + embedding.shared[2] + embedding.shared[4 + 1]
    torch.testing.assert_close(embedding(torch.tensor(code)), expected)
    assert fsq.levels_of_codes().sum(1).eq(2).all()
    torch.testing.assert_close(fsq.levels_of_codes() @ torch.cat([torch.arange(4.0), torch.arange(3.0)])[:, None],
                               fsq.digits(torch.arange(12)).sum(1, keepdim=True).float())  # fmt: skip


def test_logits_are_those_of_the_table() -> None:
    head = CodeHead(FSQ([4, 3]), 8)
    filled(head)
    inputs = torch.randn(5, 3, 8)
    torch.testing.assert_close(head(inputs), inputs @ head.table().T, atol=1e-5, rtol=1e-5)


def test_one_code_teaches_its_neighbours_and_no_others() -> None:
    """A gradient at one code moves the vectors of codes that have a level of it, and of no others."""
    embedding = CodeEmbedding(FSQ([4, 3]), 8)
    filled(embedding)
    before = embedding.table().detach()
    embedding(torch.tensor(0)).sum().backward()
    with torch.no_grad():
        for parameter in embedding.parameters():
            parameter -= parameter.grad
    moved = (embedding.table() != before).any(1).tolist()
    assert moved == [code % 4 == 0 or code // 4 == 0 for code in range(12)]


def test_the_mask_has_a_vector_of_its_own_alone() -> None:
    embedding = CodeEmbedding(FSQ([4, 3]), 8, masked=True)
    filled(embedding)
    torch.testing.assert_close(embedding(torch.tensor(12)), embedding.own.weight[12])


@pytest.mark.parametrize("quantiser", [VQ(6, 4, 0.25), FSQ([3])], ids=["vq", "fsq"])
def test_every_quantiser_has_vectors_and_logits_of_all_codes(quantiser: Quantiser) -> None:
    embedding, head = CodeEmbedding(quantiser, 8), CodeHead(quantiser, 8)
    filled(embedding), filled(head)
    every = torch.arange(quantiser.codes)
    torch.testing.assert_close(embedding(every), embedding.table())
    assert head(embedding(every)).shape == (quantiser.codes, quantiser.codes)
