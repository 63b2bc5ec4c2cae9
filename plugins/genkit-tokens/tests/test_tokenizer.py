"""Tokenizers: grids, receptive fields, what is known, what is learned."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from genkit_tokens.tokenizer import Tokenizer, TokenizerOptions, perplexity

from genkit.models import DataInfo, Step


def tokenizer(shape: tuple[int, int, int] = (1, 28, 28), **options: Any) -> Tokenizer:
    torch.manual_seed(0)
    return Tokenizer(TokenizerOptions(**{"channels": 4, **options}), DataInfo(shape, 17)).eval()


@pytest.mark.parametrize(
    ("shape", "halvings", "grid"),
    [
        ((1, 8, 8), 0, (4, 4)),
        ((1, 28, 28), 0, (7, 7)),
        ((3, 32, 32), 0, (8, 8)),
        ((3, 30, 21), 0, (8, 6)),
        ((1, 28, 28), 3, (4, 4)),
        ((1, 2, 2), 0, (1, 1)),
    ],
)
def test_the_grid_follows_the_size_of_the_image(
    shape: tuple[int, int, int], halvings: int, grid: tuple[int, int]
) -> None:
    made = tokenizer(shape, halvings=halvings)
    images = torch.rand(2, *shape)
    assert made.grid == grid
    assert made.tokens(images).shape == (2, math.prod(grid))
    assert made.images(made.tokens(images)).shape == images.shape


def test_a_token_is_known_only_where_its_whole_receptive_field_is() -> None:
    made = tokenizer()
    images = torch.rand(1, 1, 28, 28, requires_grad=True)
    vectors = made.vectors(images).flatten(1, 2)
    for token in (0, 10, 24, 48):
        (gradient,) = torch.autograd.grad(vectors[0, token].sum(), images, retain_graph=True)
        field = gradient[0, 0] != 0
        for row, column in ((0, 0), (12, 9), (13, 13), (27, 27), (5, 15), (3, 2), (8, 12)):
            known = torch.ones(1, 1, 28, 28, dtype=torch.bool)
            known[0, 0, row, column] = False
            assert bool(made.known(known)[0, token]) != bool(field[row, column])


def test_known_tokens_do_not_depend_on_unknown_pixels() -> None:
    made = tokenizer()
    known = torch.rand(8, 1, 28, 28) > 0.01
    images = torch.rand(8, 1, 28, 28)
    kept = made.known(known)
    assert 0.2 < kept.float().mean() < 0.9
    other = torch.where(known, images, torch.rand(images.shape))
    assert made.tokens(images)[kept].equal(made.tokens(other)[kept])


def test_grey_images_under_binary_pixels_are_expected_binary_ones() -> None:
    made = tokenizer(likelihood="bernoulli")
    images = torch.rand(3, 1, 28, 28)
    loss, tokens = made(images)
    params = made.decode(tokens)
    white, black = (-torch.nn.functional.logsigmoid(sign * params) for sign in (1, -1))
    torch.testing.assert_close(loss, (images * white + (1 - images) * black).mean())


def test_perplexity_is_the_number_of_codes_used_alike() -> None:
    assert perplexity(torch.arange(6).repeat(3, 2), 10).item() == pytest.approx(6)
    assert perplexity(torch.tensor([0, 0, 0, 1]), 10).item() == pytest.approx(
        math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    )


@pytest.mark.parametrize("options", [{}, {"quantiser": "vq", "codes": 32}, {"likelihood": "bernoulli"}])
def test_training_does_not_collapse_to_one_code(options: dict[str, Any]) -> None:
    """Squared errors of sigmoids and vectors without normalisation did collapse."""
    made = tokenizer((1, 8, 8), **{"channels": 8, **options}).train()
    centres = torch.rand(256, 2, generator=torch.Generator().manual_seed(0)) * 6 + 1
    grid = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij"), -1)
    images = torch.exp(-(grid - centres[:, None, None]).square().sum(-1) / 4)[:, None]
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    made.quantiser.initialise(made.vectors(images).detach().flatten(0, -2)[::17])
    for index in range(60):
        optimizer.zero_grad()
        made(images)[0].backward()
        optimizer.step()
        made.quantiser.update(Step(index, 0, torch.Generator().manual_seed(index)))
    assert perplexity(made.eval().tokens(images), made.quantiser.codes) > 8
