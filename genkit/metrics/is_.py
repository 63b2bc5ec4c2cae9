"""Inception score: exp of the mutual information of class and sample (Salimans et al. 2016)."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UnknownName, UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked
from genkit.metrics.numerics.repeats import Repeats, counted_once
from genkit.results.score import Score

Array = NDArray[np.float64]

_PROBABILITIES = 1e-2
"""How far from 1 the sums of probabilities may be, which may have been rounded to half precision."""


@dataclass(frozen=True)
class _Rule:
    """How a reference splits rows: shuffled by RandomState(2020) or not, and where n rows are cut into s splits.

    ``ddof`` is that of its standard deviation over the splits.
    """

    shuffled: bool
    cuts: Callable[[int, int], list[int]]
    ddof: int = 0

    def splits(self, n: int, count: int) -> list[NDArray[np.intp]]:
        order = np.random.RandomState(2020).permutation(n) if self.shuffled else np.arange(n)
        return [order[start:end] for start, end in itertools.pairwise(self.cuts(n, count))]


def _even(n: int, count: int) -> list[int]:
    return [i * n // count for i in range(count + 1)]


def _torch_chunks(n: int, count: int) -> list[int]:
    """Cut like torch.chunk: splits of ceil(n / s) rows, so possibly fewer of them and a shorter last one."""
    return [*range(0, n, -(-n // count)), n]


def _floor(n: int, count: int) -> list[int]:
    return [i * (n // count) for i in range(count + 1)]


_RULES = {
    "torch-fidelity": _Rule(True, _even),
    "torchmetrics": _Rule(True, _torch_chunks, ddof=1),
    "stylegan3": _Rule(False, _even),
    "dgm": _Rule(True, _floor),
}


def inception_score(
    logits: Any, splits: int = 10, *, rule: str = "torch-fidelity", blocks: int = jackknife.BLOCKS
) -> Score:
    """Return the inception score of logits [n, k]: between 1 and k, higher is better.

    ``exp E KL(p(y | x), p(y))`` (Salimans et al. 2016, arXiv:1606.03498, section 4). ``value`` is the mean over splits,
    from a float64 softmax. ``rule`` names the implementation whose splits are used: "torch-fidelity" (shuffled by
    RandomState(2020), split i is [i n // s, (i + 1) n // s)), "torchmetrics" (torch.chunk; shuffled by
    RandomState(2020) here, by torch's global generator there), "stylegan3" (not shuffled) or "dgm" (the remainder is
    dropped).

    A split's score is biased downwards by a factor of about (k - 1) s / (2 n); the interval, from a block jackknife, is
    for the average over other sets of this size. ``note`` gives the standard deviation over the splits, which
    references report too (ddof 0, for torchmetrics 1). Raises DataError or UsageError for invalid logits or fewer rows
    than splits, and UnknownName for another rule.
    """
    if rule not in _RULES:
        raise UnknownName("rule of the inception score", rule, _RULES)
    array = np.asarray(checked(logits, "logits", ndim=2), np.float64)
    n = len(array)
    if not 1 <= splits <= n:
        raise DataError(
            f"splits must be between 1 and the {n} rows of the logits, not {splits}: "
            f"measure more images, or set fewer splits, as -p is.splits={max(1, n // 10)} does"
        )
    repeats = Repeats.of(array)
    count = jackknife.number_of_blocks(blocks, repeats.independent)
    labels = repeats.blocks(count)
    parts = [_sums_by_block(array[rows], labels[rows], count) for rows in _RULES[rule].splits(n, splits)]
    wholes = [part.sum(axis=0) for part in parts]
    deleted = [
        float(np.mean(_scores([whole - part[block] for whole, part in zip(wholes, parts, strict=True)])))
        for block in range(count)
    ]
    scores = _scores(wholes)
    score = jackknife.one_sample_score(float(np.mean(scores)), deleted, n).within(1.0, array.shape[1])
    notes = [counted_once(logits=repeats), _looks(array), _spread(scores, _RULES[rule].ddof)]
    return dataclasses.replace(score, note="; ".join(filter(None, notes)))


def is_(evidence: Evidence) -> Score:
    """Return the inception score of the samples, between 1 and the number of classes; higher is better.

    Raises UsageError for an extractor without class logits.
    """
    logits = evidence.generated_logits
    if logits is None:
        raise UsageError("the inception score needs class logits, which this feature extractor does not give")
    return inception_score(logits, **evidence.parameters)


def _looks(logits: Array) -> str:
    """Say if the rows are probabilities, of which a softmax makes nearly equal ones."""
    if logits.min() >= 0 and np.abs(logits.sum(axis=1) - 1).max() < _PROBABILITIES:
        return "rows sum to 1, as probabilities do, but logits are expected: give logits, or their logarithm"
    return ""


def _spread(scores: list[float], ddof: int) -> str:
    if len(scores) < 2:
        return "one split, so no deviation over splits"
    return f"{len(scores)} splits, standard deviation {np.std(scores, ddof=ddof):.9g}"


def _sums_by_block(logits: Array, labels: NDArray[np.intp], blocks: int) -> Array:
    """Return the sums of p [k], p log p and 1 over each block, [B, k + 2]."""
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    rows = np.column_stack([p, (p * log_p).sum(axis=1), np.ones(len(p))])
    sums: Array = (labels == np.arange(blocks)[:, None]) @ rows
    return sums


def _scores(splits: list[Array]) -> list[float]:
    """Return exp(mean KL(p | q)), q the mean of p, of each split that has rows; classes with q = 0 add nothing."""
    scores = []
    for sums in splits:
        n = sums[-1]
        if n > 0.5:
            q = np.maximum(sums[:-2] / n, 0.0)
            entropy = -float((q[q > 0] * np.log(q[q > 0])).sum())
            scores.append(math.exp(sums[-2] / n + entropy))
    return scores
