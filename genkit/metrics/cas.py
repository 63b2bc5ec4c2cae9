"""CAS: what labelled samples are worth as training data."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.results.score import Score


def cas(evidence: Evidence) -> Score:
    """Return the accuracy on real test images of a classifier trained on the samples, in [0, 1]; higher is better.

    Classification accuracy score (Ravuri & Vinyals 2019, arXiv:1905.10887) with genkit's small classifier, trained as
    `genkit features train` does, from the evaluation seed. The interval is over test images; another training of the
    classifier may differ by more. ``parts`` has each class's accuracy.
    """
    from genkit.data.dataset import ImageDataset, Split
    from genkit.features.trained import predictions, train_classifier

    labels, truth = evidence.generated_labels, evidence.test.labels
    if labels is None or truth is None:
        raise Unmeasurable("samples and test images need labels")
    if len(np.unique(labels)) < 2:
        raise Unmeasurable("samples of at least two classes are needed")
    samples = Split("samples", evidence.generated_images, labels)
    drawn = ImageDataset("samples", "", samples, evidence.test, evidence.classes)
    module, _ = train_classifier(drawn, seed=evidence.samples.seed)
    right = (predictions(module, evidence.test) == truth).astype(np.float64)
    found = mean_score(right)
    parts = {
        name: float(right[truth == label].mean())
        for label, name in enumerate(evidence.classes)
        if (truth == label).any()
    }
    return dataclasses.replace(found, parts=parts).within(0.0, 1.0)
