from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import Unmeasurable
from genkit.metrics import Evidence, frechet_distance
from genkit.metrics.fid_per_class import fid_per_class


def labelled(swapped=False):
    """Two classes far from each other; ``swapped`` samples are drawn under each other's label."""
    rng = np.random.default_rng(0)
    real_labels, asked = np.arange(120) % 2, np.arange(200) % 2
    real = rng.standard_normal((120, 3)) + 10 * real_labels[:, None]
    drawn = rng.standard_normal((200, 3)) + 10 * (1 - asked if swapped else asked)[:, None]
    return Evidence.of_arrays(
        real_features=real,
        generated_features=drawn,
        real_labels=real_labels,
        generated_labels=asked,
        classes=("zero", "one"),
    )


def test_the_value_is_the_mean_of_the_classes_and_each_is_told():
    found = labelled()
    score = fid_per_class(found)
    expected = {
        name: frechet_distance(
            found.real_features[found.real_labels == label], found.generated_features[found.generated_labels == label]
        ).value
        for label, name in enumerate(found.classes)
    }
    assert score.parts == pytest.approx(expected)
    assert score.value == pytest.approx(np.mean(list(expected.values())))
    assert score.ci_low <= score.ci_high


def test_images_under_the_wrong_label_are_far_though_all_together_are_near():
    right, wrong = labelled(), labelled(swapped=True)
    assert frechet_distance(wrong.real_features, wrong.generated_features).value < 1
    assert fid_per_class(right).value < 1
    assert fid_per_class(wrong).value > 100


def test_a_class_without_samples_is_no_number():
    found = labelled()
    found.generated_labels = np.zeros(200, np.int64)
    with pytest.raises(Unmeasurable, match="class 'one' has 60 real and 0 generated"):
        fid_per_class(found)


def test_the_interval_holds_the_average_distance_of_such_classes():
    labels, found = np.arange(300) % 3, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        score = fid_per_class(
            Evidence.of_arrays(
                real_features=rng.standard_normal((300, 4)),
                generated_features=rng.standard_normal((300, 4)),
                real_labels=labels,
                generated_labels=labels,
                classes=("a", "b", "c"),
            )
        )
        found.append(score)
    truth = np.mean([score.value for score in found])
    assert sum(score.ci_low <= truth <= score.ci_high for score in found) >= 34
