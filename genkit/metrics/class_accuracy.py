"""Class accuracy: whether samples show the class that was asked for."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.results.score import Score


def class_accuracy(evidence: Evidence) -> Score:
    """Return the share of samples in which the extractor's classifier sees the class asked for, in [0, 1].

    Higher is better; the interval is over samples. ``parts`` has each class's share. Raises Unmeasurable for samples
    without labels and an extractor that does not tell the data's classes apart.
    """
    logits, labels = evidence.generated.logits, evidence.generated_labels
    if labels is None:
        raise Unmeasurable("samples need labels")
    if logits is None or evidence.logit_classes != evidence.classes:
        raise Unmeasurable(f"the extractor does not tell the {len(evidence.classes)} classes of the data apart")
    right = (np.asarray(logits).argmax(axis=1) == labels).astype(np.float64)
    parts = {
        name: float(right[labels == label].mean())
        for label, name in enumerate(evidence.classes)
        if (labels == label).any()
    }
    return dataclasses.replace(mean_score(right), parts=parts).within(0.0, 1.0)
