from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import Unmeasurable
from genkit.metrics import Evidence
from genkit.metrics.class_accuracy import class_accuracy

CLASSES = ("zero", "one")


def seen(logits, labels, logit_classes=CLASSES):
    return Evidence.of_arrays(
        generated_logits=logits,
        generated_labels=labels,
        classes=CLASSES,
        logit_classes=logit_classes,
    )


def test_class_accuracy_is_the_share_of_samples_seen_as_asked():
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    score = class_accuracy(seen(logits, np.array([0, 1, 1, 1])))
    assert score.value == 0.75
    assert score.parts == {"zero": 1.0, "one": pytest.approx(2 / 3)}
    assert class_accuracy(seen(logits, np.array([1, 0, 1, 0]))).value == 0.0


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (seen(np.zeros((4, 2)), None), "samples need labels"),
        (seen(None, np.zeros(4, int)), "does not tell the 2 classes"),
        (seen(np.zeros((4, 1008)), np.zeros(4, int), ()), "does not tell the 2 classes"),
        (seen(np.zeros((4, 2)), np.zeros(4, int), ("cat", "dog")), "does not tell the 2 classes"),
        (seen(np.zeros((4, 2)), np.zeros(4, int), ("one", "zero")), "does not tell the 2 classes"),
    ],
)
def test_class_accuracy_needs_labels_and_a_classifier_of_the_same_classes_in_their_order(found, reason):
    with pytest.raises(Unmeasurable, match=reason):
        class_accuracy(found)
