"""Metrics of labelled samples: the distance within each class, and what samples are worth as training data."""

from __future__ import annotations

import numpy as np
import pytest
from evidences import evidence

from genkit.errors import Unmeasurable
from genkit.metrics.cas import cas
from genkit.metrics.class_accuracy import class_accuracy
from genkit.metrics.evidence import Features
from genkit.metrics.fid_per_class import fid_per_class
from genkit.metrics.frechet import frechet_distance


def labelled(swapped=False):
    """Two classes far from each other; ``swapped`` samples are drawn under each other's label."""
    rng = np.random.default_rng(0)
    real_labels, asked = np.arange(120) % 2, np.arange(200) % 2
    real = rng.standard_normal((120, 3)) + 10 * real_labels[:, None]
    drawn = rng.standard_normal((200, 3)) + 10 * (1 - asked if swapped else asked)[:, None]
    return evidence(
        real=Features(real),
        generated=Features(drawn),
        real_labels=real_labels,
        generated_labels=asked,
        classes=("zero", "one"),
    )


def test_the_value_is_the_mean_of_the_classes_and_each_is_told():
    found = labelled()
    score = fid_per_class(found)
    expected = {
        name: frechet_distance(
            found.real.features[found.real_labels == label], found.generated.features[found.generated_labels == label]
        ).value
        for label, name in enumerate(found.classes)
    }
    assert score.parts == pytest.approx(expected)
    assert score.value == pytest.approx(np.mean(list(expected.values())))
    assert score.ci_low <= score.ci_high


def test_images_under_the_wrong_label_are_far_though_all_together_are_near():
    right, wrong = labelled(), labelled(swapped=True)
    assert frechet_distance(wrong.real.features, wrong.generated.features).value < 1
    assert fid_per_class(right).value < 1
    assert fid_per_class(wrong).value > 100


def test_a_class_without_samples_is_no_number():
    found = labelled()
    found.generated_labels = np.zeros(200, np.int64)
    with pytest.raises(Unmeasurable, match="class 'one' has 60 real and 0 generated"):
        fid_per_class(found)


@pytest.mark.slow
def test_real_images_teach_a_classifier_and_images_under_wrong_labels_do_not(digits, monkeypatch):
    monkeypatch.setattr("genkit.features.trained.SHOWN", 20_000)
    images = digits.train.uint8(slice(None))

    def measured(labels):
        return cas(
            evidence(
                generated_images=images,
                generated_labels=labels,
                test=digits.test,
                classes=digits.classes,
                samples=type("S", (), {"seed": 0}),
            )
        )

    right = measured(digits.train.labels)
    wrong = measured((digits.train.labels + 1) % 10)
    assert right.value > 0.9
    assert wrong.value < 0.1
    assert set(right.parts) == set(digits.classes)
    assert right.n == len(digits.test)


def test_samples_of_one_class_teach_nothing(digits):
    found = evidence(
        generated_labels=np.zeros(10, np.int64), generated_images=digits.train.uint8(slice(0, 10)), test=digits.test
    )
    with pytest.raises(Unmeasurable, match="two classes"):
        cas(found)


def test_the_interval_holds_the_distance_of_equal_classes():
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = np.arange(300) % 3
        found = fid_per_class(
            evidence(
                real=Features(rng.standard_normal((300, 4))),
                generated=Features(rng.standard_normal((300, 4))),
                real_labels=labels,
                generated_labels=labels,
                classes=("a", "b", "c"),
            )
        )
        hits += found.ci_low <= 0 <= found.ci_high
    assert hits >= 34


CLASSES = ("zero", "one")


def seen(logits, labels, logit_classes=CLASSES):
    return evidence(
        generated=Features(np.zeros((4, 2)), logits),
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
