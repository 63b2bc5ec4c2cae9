from __future__ import annotations

import pytest
from evidences import evidence

from genkit.errors import Unmeasurable
from genkit.metrics.train_seconds import train_seconds


def test_what_was_not_trained_has_no_training_time():
    with pytest.raises(Unmeasurable):
        train_seconds(evidence(training_seconds=None))
    assert train_seconds(evidence(training_seconds=12.5)).value == 12.5
