from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import Unmeasurable
from genkit.metrics import Evidence
from genkit.metrics.cas import cas


@pytest.mark.slow
def test_real_images_teach_a_classifier_and_images_under_wrong_labels_do_not(digits, monkeypatch):
    monkeypatch.setattr("genkit.features.trained.BUDGET", 20_000)
    images = digits.train.uint8(slice(None))

    def measured(labels):
        return cas(
            Evidence.of_arrays(
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
    found = Evidence.of_arrays(
        generated_labels=np.zeros(10, np.int64), generated_images=digits.train.uint8(slice(0, 10)), test=digits.test
    )
    with pytest.raises(Unmeasurable, match="two classes"):
        cas(found)
