"""The transformer: cached and uncached logits, what may see what, rotary positions, initialisation, memory."""

from __future__ import annotations

import math

import pytest
import torch
from genkit_tokens.positions import causal, grid_coordinates, rotate, rotation
from genkit_tokens.prefix import Cache, Prefix
from genkit_tokens.transformer import Block, Transformer, TransformerOptions
from torch import nn

from genkit.errors import OptionsError
from genkit.options import build

GRID = (3, 4)
SLOTS = 1 + GRID[0] * GRID[1]
ASKED = Prefix(torch.tensor([0, 1, 2]))


def transformer(scale: float = 0.3, **options: int) -> Transformer:
    torch.manual_seed(0)
    made = Transformer(
        TransformerOptions(**{"width": 32, "layers": 3, "heads": 4, **options}),
        nn.Embedding(5, 32),
        grid_coordinates(*GRID),
        nn.Linear(32, 11, bias=False),
        2,
    )  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=scale)
    return made.eval()


def contents(model: Transformer, n: int = 3) -> torch.Tensor:
    drawn = torch.randn(n, SLOTS, 32, generator=torch.Generator().manual_seed(1))
    drawn[:, :1] = model.first(Prefix(ASKED.labels[:n]))
    return drawn


def whole_of(model: Transformer, given: torch.Tensor) -> torch.Tensor:
    """Logits of all slots at once, each seeing those before it."""
    return model.whole(Prefix(ASKED.labels[: len(given)]), given, mask=causal(SLOTS, given.device))


@pytest.mark.parametrize("kv_heads", [0, 1, 2])
def test_cached_logits_are_the_uncached_ones_at_every_position(kv_heads: int) -> None:
    model = transformer(kv_heads=kv_heads)
    given = contents(model)
    whole = whole_of(model, given)
    for sizes in ([1] * SLOTS, [1, 4, 3, 5], [SLOTS]):
        cache, place, parts = model.cache(ASKED, SLOTS, Cache), 0, []
        for size in sizes:
            mask = causal(SLOTS, given.device)[place : place + size, : place + size]
            parts.append(model(given[:, place : place + size], place, cache, mask=mask))
            place += size
        assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5
    assert whole.std() > 0.1


def test_a_position_off_by_one_would_show() -> None:
    model = transformer()
    given = contents(model)
    cache = model.cache(ASKED, SLOTS, Cache)
    first = model(given[:, :1], 0, cache)
    wrong = model(given[:, 1:2], 2, cache)
    whole = whole_of(model, given)
    assert (first[:, 0] - whole[:, 0]).abs().max() < 1e-5
    assert (wrong[:, 0] - whole[:, 1]).abs().max() > 1e-3


def test_the_condition_reaches_the_last_token_and_batch_mates_do_not() -> None:
    model = transformer()
    given = contents(model)
    whole = whole_of(model, given)
    swapped = given.clone()
    swapped[:, 0] = given[[1, 2, 0], 0]
    moved = (whole_of(model, swapped)[:, -1] - whole[:, -1]).abs().amax(1)
    assert (moved > 1e-3).all()
    alone = torch.cat([whole_of(model, row[None]) for row in given])
    assert (alone - whole).abs().max() < 1e-5


def test_no_token_sees_one_after_it() -> None:
    model = transformer()
    given = contents(model)
    whole = whole_of(model, given)
    given[:, 7:] += 1
    moved = (whole_of(model, given) - whole).abs().amax((0, 2))
    assert (moved[:7] == 0).all() and (moved[7:] > 1e-3).all()


def test_keys_of_the_condition_are_not_zero() -> None:
    """With cosines and sines of zero at the prefix its keys would be zero, and attention to it blind to its content."""
    model = transformer()
    assert torch.equal(model.cosines[0], torch.ones(4)) and torch.equal(model.sines[0], torch.zeros(4))
    cache = model.cache(ASKED, SLOTS, Cache)
    model(contents(model)[:, :1], 0, cache)
    keys = cache.stored[:, 0, :, :, 0]
    assert (keys.norm(dim=-1) > 1e-3).all()


def test_rotated_products_depend_on_the_difference_of_places_alone() -> None:
    size = 8
    places = grid_coordinates(5, 5)[1:]
    turn = rotation(places, size)
    query, key = torch.randn(2, size, generator=torch.Generator().manual_seed(0))
    queries, keys = (
        rotate(vector.expand(25, 1, size), (turn[0][:, None], turn[1][:, None]))[:, 0] for vector in (query, key)
    )
    products = queries @ keys.T
    shifted = {}
    for (i, one), (j, other) in ((a, b) for a in enumerate(places.tolist()) for b in enumerate(places.tolist())):
        shift = (one[0] - other[0], one[1] - other[1])
        shifted.setdefault(shift, []).append(products[i, j].item())
    assert all(max(found) - min(found) < 1e-5 for found in shifted.values())
    assert abs(shifted[0, 1][0] - shifted[1, 0][0]) > 1e-3  # rows and columns turn different numbers
    assert torch.allclose(queries.norm(dim=-1), query.norm())


def test_frequencies_are_powers_of_the_base() -> None:
    cosines, sines = rotation(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 16)
    angles = torch.tensor([1, 100**-0.25, 100**-0.5, 100**-0.75])
    zero = torch.zeros(4)
    torch.testing.assert_close(
        torch.atan2(sines, cosines), torch.stack([torch.cat([angles, zero]), torch.cat([zero, angles])])
    )


def test_it_begins_as_the_paper_says() -> None:
    torch.manual_seed(0)
    model = Transformer(
        TransformerOptions(width=128, layers=4, heads=4),
        nn.Embedding(5, 128),
        grid_coordinates(4, 4),
        nn.Linear(128, 50, bias=False),
        10,
    )
    block = model.blocks[1]
    assert isinstance(block, Block)
    assert block.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for projection in (block.out, block.down):
        assert projection.weight.std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.05)
    assert not model.head.weight.any()
    assert block.down.in_features == 344  # 8/3 of the width, rounded up to a multiple of 8
    assert all("bias" not in name for name, _ in model.named_parameters())


def test_the_cache_takes_the_bytes_of_its_formula() -> None:
    for kv_heads in (0, 2):
        model = transformer(kv_heads=kv_heads)
        stored = model.cache(Prefix(torch.zeros(6, dtype=torch.int64)), SLOTS, Cache).stored
        assert stored.numel() * stored.element_size() == 6 * model.cache_bytes(SLOTS)
        assert model.cache_bytes(SLOTS) == 2 * 3 * SLOTS * (kv_heads or 4) * 8 * 4


@pytest.mark.parametrize(
    ("options", "why"), [({"width": 20, "heads": 4}, "multiple of 4"), ({"kv_heads": 3}, "divide")]
)
def test_heads_that_do_not_fit_are_refused(options: dict[str, int], why: str) -> None:
    with pytest.raises(OptionsError, match=why):
        build(TransformerOptions, options, "vq-gpt")
