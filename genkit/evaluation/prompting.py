"""Models of texts: whether a model follows prompts, what it understands, and which prompts it is asked."""

from __future__ import annotations

import torch

from genkit.data import ImageDataset, Split
from genkit.data.prompts import asked_prompts
from genkit.errors import Unmeasurable
from genkit.evaluation.config import EvalConfig
from genkit.features.cache import Progress
from genkit.features.judge import AskedPrompts
from genkit.features.judges import judge_of
from genkit.models.base import GenerativeModel
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec


def follows_prompts(model: GenerativeModel | None) -> bool:
    """Return whether a model understands texts; one that could and was trained without has ``understand = None``."""
    return callable(getattr(model, "understand", None))


def asked_of(
    dataset: ImageDataset, against: Split, config: EvalConfig, device: torch.device, progress: Progress
) -> AskedPrompts:
    """Return the prompts that are asked by an evaluation, drawn from the captions of ``against``, and their judge.

    Raises Unmeasurable for data whose captions have no known meaning, or that has no judge.
    """
    if dataset.grammar is None or against.captions is None:
        raise Unmeasurable(
            f"what the captions of {dataset.name} say is not known exactly: "
            "prompts are judged on scenes, digits and mnist"
        )
    spec = registry().find(MetricSpec, "prompt_accuracy").spec
    count = {**spec.defaults, **config.metric_parameters.get(spec.name, {})}["prompts"]
    prompts = asked_prompts(against, dataset.grammar, count, config.seed)
    judge = judge_of(dataset, str(device), progress)
    choices = {"sha256": prompts.sha256, "judge": judge.sha256, "seed": config.seed, "chunk": config.chunk}
    return AskedPrompts(prompts, dataset.grammar, judge, dataset.test, choices)
