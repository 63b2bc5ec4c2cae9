"""How long a model takes to draw images."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from genkit.metrics.evidence import Evidence
from genkit.results.score import Score

WARM_UP = 2


def seconds_per_draw(evidence: Evidence, size: int, repeats: int) -> np.ndarray:
    """Return the seconds of each draw of ``size`` images, [repeats], including all work on the device.

    A model of texts reads the prompts of samples, at every draw.
    """
    import torch

    from genkit.models.images import drawn, understood

    model = evidence.model.eval()
    generator = torch.Generator(model.device).manual_seed(0)
    classes = model.data.num_classes
    labels = torch.arange(size, device=model.device) % classes if classes else None
    prompts = (evidence.generated_prompts or []) if callable(getattr(model, "understand", None)) else []
    texts = [prompts[place % len(prompts)] for place in range(size)] if prompts else []

    def asked() -> Any:
        return understood(model, texts) if texts else labels

    synchronize: Callable[[], None] = torch.cuda.synchronize if model.device.type == "cuda" else lambda: None
    seconds = []
    for _ in range(WARM_UP):
        drawn(model, size, generator=generator, condition=asked())  # is checked, which the others aren't for their time
    with torch.no_grad():
        for _ in range(repeats):
            synchronize()
            began = time.perf_counter()
            model.sample(size, generator=generator, condition=asked())
            synchronize()
            seconds.append(time.perf_counter() - began)
    return np.array(seconds)


def positive(score: Score) -> Score:
    """Return the mean of positive values with an interval on the logarithmic scale, which never reaches 0."""
    factor = math.exp((score.ci_high - score.value) / score.value)
    low, high = score.value / factor, score.value * factor
    return dataclasses.replace(score, ci_low=low, ci_high=high, method="t interval of the logarithm")
