"""The inception score: exp of the mutual information of class and sample (arXiv:1606.03498)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics import jackknife
from genkit.metrics.arrays import checked
from genkit.metrics.evidence import Evidence
from genkit.scores import Score

Array = NDArray[np.float64]


def inception_score(logits: Any, splits: int = 10) -> Score:
    """Return the inception score of logits [n, k]: between 1 and k, higher is better.

    As torch-fidelity and the original do: float64 softmax, rows shuffled by RandomState(2020), split i is [i n // s,
    (i + 1) n // s), and the value is the mean over splits. The interval is Student's over the splits, with a block
    jackknife for one split. Raises DataError or UsageError for logits that can't be measured, or fewer rows than
    splits.
    """
    array = np.asarray(checked(logits, "logits", ndim=2), np.float64)
    n = len(array)
    if not 1 <= splits <= n:
        raise UsageError(f"splits must be between 1 and the {n} rows of the logits, not {splits}")
    shuffled = array[np.random.RandomState(2020).permutation(n)]
    chunks = [shuffled[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    if splits == 1:
        return _one_split(shuffled)
    values = np.array([_score(*_sums(chunk)) for chunk in chunks])
    value = float(values.mean())
    stderr = float(values.std(ddof=1)) / math.sqrt(splits)
    half = jackknife.t_quantile(splits - 1) * stderr
    deleted = (values.sum() - values) / (splits - 1)
    method = f"t interval over {splits} splits"
    return Score(value, stderr, value - half, value + half, method, n, tuple(deleted.tolist()))


def inception_score_of(evidence: Evidence) -> Score:
    """Return the inception score of the generated images."""
    logits = evidence.generated.logits
    if logits is None:
        raise UsageError("the inception score needs class logits, which this feature extractor does not give")
    return inception_score(logits)


def _one_split(logits: Array) -> Score:
    n = len(logits)
    blocks = jackknife.number_of_blocks(jackknife.BLOCKS, n)
    parts = [_sums(logits[block::blocks]) for block in range(blocks)]
    whole = tuple(sum(column) for column in zip(*parts, strict=True))
    value = _score(*whole)
    deleted = [
        _score(*(all_ - part for all_, part in zip(whole, parts[block], strict=True))) for block in range(blocks)
    ]
    stderr = math.sqrt(jackknife.variance(deleted))
    half = jackknife.t_quantile(blocks - 1) * stderr
    return Score(value, stderr, value - half, value + half, "block jackknife", n, tuple(deleted))


def _sums(logits: Array) -> tuple[Any, Any, Any]:
    """Return the number of rows, the sum of p [k] and the sum of p log p."""
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    return len(p), p.sum(axis=0), float((p * log_p).sum())


def _score(n: int, p: Array, p_log_p: float) -> float:
    """Return exp(mean KL(p | q)) with q the mean of p; classes that no example has add nothing."""
    q = np.maximum(p / n, 0.0)
    entropy = -float((q[q > 0] * np.log(q[q > 0])).sum())
    return math.exp(p_log_p / n + entropy)
