"""What a model costs: parameters, the time of one image and of many, the time of training."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.results.score import Score

LATENCY_REPEATS, THROUGHPUT_REPEATS, WARM_UP = 30, 5, 2


def parameters(evidence: Evidence) -> Score:
    """Return how many parameters a model has, its discriminator's or encoder's included."""
    return _exact(float(sum(parameter.numel() for parameter in evidence.model.parameters())), "counted")


def train_seconds(evidence: Evidence) -> Score:
    """Return how long training took, in seconds, checkpoints and sample grids included."""
    seconds = evidence.training_seconds
    if seconds is None:
        raise Unmeasurable("it was not trained")
    return _exact(seconds, "one training")


def latency(evidence: Evidence) -> Score:
    """Return the time to draw one image, in milliseconds: the mean of 30 draws after two to warm up."""
    return _positive(mean_score(1e3 * _times(evidence, 1, LATENCY_REPEATS)))


def throughput(evidence: Evidence) -> Score:
    """Return images drawn a second in full chunks of the protocol's size: the mean of five after two to warm up."""
    size = evidence.samples.chunk
    return _positive(mean_score(size / _times(evidence, size, THROUGHPUT_REPEATS)))


def _times(evidence: Evidence, size: int, repeats: int) -> np.ndarray:
    """Return seconds per draw of ``size`` images, measured to the end of the work on the device."""
    import torch

    model = evidence.model.eval()
    generator = torch.Generator(model.device).manual_seed(0)
    classes = model.data.num_classes
    labels = torch.arange(size, device=model.device) % classes if classes else None
    finish: Callable[[], None] = torch.cuda.synchronize if model.device.type == "cuda" else lambda: None
    seconds = []
    with torch.no_grad():
        for _ in range(WARM_UP + repeats):
            finish()
            began = time.perf_counter()
            model.sample(size, generator=generator, condition=labels)
            finish()
            seconds.append(time.perf_counter() - began)
    return np.array(seconds[WARM_UP:])


def _positive(score: Score) -> Score:
    """Return a mean of positive values with its interval made on the scale of their logarithm: never below zero."""
    factor = math.exp((score.ci_high - score.value) / score.value)
    low, high = score.value / factor, score.value * factor
    return dataclasses.replace(score, ci_low=low, ci_high=high, method="t interval of the logarithm")


def _exact(value: float, method: str) -> Score:
    return Score(value, 0.0, value, value, method, 1)
