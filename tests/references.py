"""What references compute from features, transcribed: clean-fid and stylegan3 can't be installed, their weights being code."""

from __future__ import annotations

import numpy as np
import torch


def randperm():
    """torch.randperm as RandomState(2020) shuffles: torchmetrics leaves the seed to torch's global generator."""
    random = np.random.RandomState(2020)
    return lambda n: torch.from_numpy(random.permutation(n))


def moments(features, dtype=np.float64):
    """Clean-fid's and pytorch-fid's: numpy's mean of rows of ``dtype`` and covariance of ddof 1."""
    return features.astype(dtype).mean(axis=0), np.cov(features, rowvar=False)


def stylegan3_moments(features):
    """Sums over all rows in float64; the covariance divides by their number."""
    rows = features.astype(np.float64)
    mean = rows.sum(axis=0) / len(rows)
    return mean, rows.T @ rows / len(rows) - np.outer(mean, mean)


def frechet(one, two):
    """The Frechet distance of two pairs of moments, by symmetric roots: scipy's sqrtm takes half a minute of 2048."""
    values, vectors = np.linalg.eigh(one[1])
    kept = values > 1e-12 * values.max()
    half = vectors[:, kept] * np.sqrt(values[kept])
    root = np.sqrt(np.linalg.eigvalsh(half.T @ two[1] @ half).clip(0)).sum()
    return float(np.square(one[0] - two[0]).sum() + np.trace(one[1]) + np.trace(two[1]) - 2 * root)


def kernel(real, generated, subsets=100, size=1000):
    """The KID that clean-fid and stylegan3 share, seeded by 0: both leave the seed to NumPy's global generator."""
    random, d = np.random.RandomState(0), real.shape[1]
    real, generated = real.astype(np.float64), generated.astype(np.float64)
    size = min(len(real), len(generated), size)
    total = 0.0
    for _ in range(subsets):
        x = generated[random.choice(len(generated), size, replace=False)]
        y = real[random.choice(len(real), size, replace=False)]
        xx, yy, xy = (a @ b.T / d + 1 for a, b in ((x, x), (y, y), (x, y)))
        within = xx * xx * xx + yy * yy * yy
        total += (within.sum() - np.trace(within)) / (size - 1) - (xy * xy * xy).sum() * 2 / size
    return total / subsets / size


def deviation(score):
    """The standard deviation over splits or subsets, which a score's note ends in."""
    return float(score.note.split()[-1])


def stylegan3_inception(logits, splits=10):
    """stylegan3's inception score: mean and standard deviation over splits that are not shuffled."""
    logits = logits.astype(np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        kl = part * (np.log(part) - np.log(part.mean(axis=0, keepdims=True)))
        scores.append(np.exp(kl.sum(axis=1).mean()))
    return np.mean(scores), np.std(scores)
