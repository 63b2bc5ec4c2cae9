"""How token models are optimised: what decays, and the learning rate over a stage."""

from __future__ import annotations

import math

from torch import nn

from genkit.models import Step


def decayed(module: nn.Module) -> list[dict[str, object]]:
    """Return a module's parameters in two groups: matrices with a weight decay of .05, and the others with none."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


def warm_cosine(step: Step) -> float:
    """Return the factor on the learning rate: from .1 to 1 in 2 % of the stage, then along a cosine to .01."""
    warm = min(1.0, 0.1 + 0.9 * step.stage_progress / 0.02)
    return warm * (0.505 + 0.495 * math.cos(math.pi * step.stage_progress))
