"""Codebooks: the nearest vector, moving averages, and restarts of unused vectors."""

from __future__ import annotations

from dataclasses import replace

import torch

from genkit.models import Step
from genkit.models.codebook import AverageCodebook, LearnedCodebook


def step(seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed))


def test_the_nearest_vector_is_found() -> None:
    torch.manual_seed(0)
    codebook, points = LearnedCodebook(50, 4), torch.randn(7, 3, 4)
    expected = torch.cdist(points.flatten(0, 1), codebook.vectors).argmin(1).reshape(7, 3)
    assert torch.equal(codebook.nearest(points), expected)
    assert torch.equal(codebook(expected), codebook.vectors[expected])


def averages(restart: float = 0.0) -> AverageCodebook:
    torch.manual_seed(0)
    return AverageCodebook(3, 2, decay=0.9, restart=restart)


def test_averages_follow_the_means_of_what_they_stand_for() -> None:
    codebook = averages()
    start = codebook.vectors.clone()
    points, tokens = torch.randn(1, 5, 2), torch.tensor([[0, 0, 1, 1, 1]])
    codebook.record(points, tokens)
    codebook.update(step())
    usage = torch.tensor([0.9 + 0.1 * 2, 0.9 + 0.1 * 3, 0.9])
    totals = 0.9 * start + 0.1 * torch.stack([points[0, :2].sum(0), points[0, 2:].sum(0), torch.zeros(2)])
    torch.testing.assert_close(codebook.usage, usage)
    torch.testing.assert_close(codebook.vectors, totals / usage[:, None])
    codebook.update(step())  # nothing was seen in between: use fades, vectors stay
    torch.testing.assert_close(codebook.usage, 0.9 * usage)
    torch.testing.assert_close(codebook.vectors, totals / usage[:, None])


def test_two_processes_average_over_both() -> None:
    points, tokens = torch.randn(2, 5, 2), torch.randint(0, 3, (2, 5))
    whole, part = averages(), averages()
    whole.record(points, tokens)
    whole.update(step())
    part.record(points[:1], tokens[:1])
    other = averages()
    other.record(points[1:], tokens[1:])
    theirs = iter((other.seen_usage, other.seen_totals, other.seen_error))
    part.update(replace(step(), sum=lambda mine: mine + next(theirs)))
    torch.testing.assert_close(part.vectors, whole.vectors)
    torch.testing.assert_close(part.usage, whole.usage)


def used_after(codebook: AverageCodebook) -> int:
    """Number of codes in use on two clusters, for a codebook initialised far from one of them."""
    codebook.initialise(torch.tensor([[0.0, 0.0], [100.0, 0.0], [100.0, 1.0]]))
    points = torch.cat([torch.randn(1, 40, 2), torch.randn(1, 40, 2) + 8], dim=1)
    for index in range(120):
        codebook.record(points, codebook.nearest(points))
        codebook.update(step(index))
    return len(codebook.nearest(points).unique())


def test_dead_codes_restart_beside_those_in_use() -> None:
    torch.manual_seed(0)
    assert used_after(averages()) == 1
    assert used_after(averages(restart=0.1)) == 3


def test_codes_that_restart_stand_apart_from_the_one_beside_which_they_do() -> None:
    codebook = averages(restart=0.1)
    codebook.initialise(torch.tensor([[0.0, 0.0], [100.0, 0.0], [100.0, 1.0]]))
    points = torch.randn(1, 40, 2)
    for index in range(60):  # until the use of the far ones has faded
        codebook.record(points, torch.zeros(1, 40, dtype=torch.long))
        codebook.update(step(index))
    vectors = codebook.vectors
    assert vectors.abs().max() < 10
    assert torch.pdist(vectors).min() > 1e-3
