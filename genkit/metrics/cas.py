"""CAS, the classification accuracy score: how well a classifier trained on samples does (Ravuri & Vinyals 2019)."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def cas(evidence: Evidence) -> Score:
    """Return the accuracy on real test images of a classifier trained on the samples, in [0, 1]; higher is better.

    arXiv:1905.10887, with the small classifier of ``genkit features train``, trained from the evaluation seed. The
    interval is over test images; training the classifier again may change the score by more. ``parts`` holds the
    accuracy of each class. Raises Unmeasurable without labels, or for samples of a single class.
    """
    from genkit.data.dataset import ImageDataset, Split
    from genkit.features.trained import predictions, train_classifier

    labels, truth = evidence.generated_labels, evidence.test.labels
    if labels is None or truth is None:
        raise Unmeasurable("samples and test images need labels")
    if len(np.unique(labels)) < 2:
        raise Unmeasurable("samples of at least two classes are needed")
    samples = Split("samples", evidence.generated_images, labels)
    training_set = ImageDataset("samples", "", samples, evidence.test, evidence.classes)
    module, _ = train_classifier(training_set, seed=evidence.samples.seed)
    correct = (predictions(module, evidence.test) == truth).astype(np.float64)
    parts = {
        name: float(correct[truth == label].mean())
        for label, name in enumerate(evidence.classes)
        if (truth == label).any()
    }
    return dataclasses.replace(mean_score(correct), parts=parts).within(0.0, 1.0)
