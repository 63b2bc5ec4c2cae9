"""Prompt accuracy: how often a judge finds in an image all that its prompt says."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score

JUDGE = "judge on real images"
"""The part that is no score of the model: how often the judge finds in real test images what their captions say."""


def prompt_accuracy(evidence: Evidence) -> Score:
    """Return the share of prompts whose image shows all that they say, in [0, 1]; higher is better.

    As many prompts of each group are asked: captions of the reference images, what captions say in phrasings that no
    caption has, and combinations that no training image shows. ``parts`` holds the share of each group, and over all
    prompts that name one, of the object, the colour, the place and the relation. The interval is over prompts. Raises
    Unmeasurable for data whose captions have no known meaning, or that has no judge.
    """
    asked = evidence.asked_prompts
    texts, groups = asked.prompts.texts, np.array(asked.prompts.groups)
    found = asked.agreement(texts, evidence.drawn_for(texts))
    obeyed = np.array([all(parts.values()) for parts in found], np.float64)
    shares = {group: float(obeyed[groups == group].mean()) for group in dict.fromkeys(asked.prompts.groups)}
    for part in dict.fromkeys(part for parts in found for part in parts):
        shares[part] = float(np.mean([parts[part] for parts in found if part in parts]))
    return dataclasses.replace(mean_score(obeyed), parts={**shares, JUDGE: asked.accuracy}).within(0.0, 1.0)
