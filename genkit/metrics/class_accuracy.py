"""Class accuracy: how often a classifier assigns samples to the class they were conditioned on."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def class_accuracy(evidence: Evidence) -> Score:
    """Return the share of samples that the extractor's classifier assigns to their class, in [0, 1]; higher is better.

    The interval is over samples. ``parts`` holds the share of each class. Raises Unmeasurable for samples without
    labels, or an extractor that is not a classifier of the data's classes.
    """
    logits, labels = evidence.generated_logits, evidence.generated_labels
    if labels is None:
        raise Unmeasurable("samples need labels")
    if logits is None or evidence.logit_classes != evidence.classes:
        raise Unmeasurable(f"the extractor does not tell the {len(evidence.classes)} classes of the data apart")
    correct = (np.asarray(logits).argmax(axis=1) == labels).astype(np.float64)
    parts = {
        name: float(correct[labels == label].mean())
        for label, name in enumerate(evidence.classes)
        if (labels == label).any()
    }
    return dataclasses.replace(mean_score(correct), parts=parts).within(0.0, 1.0)
