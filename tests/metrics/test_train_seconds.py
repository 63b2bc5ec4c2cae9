from __future__ import annotations

import pytest

from genkit.errors import Unmeasurable
from genkit.metrics import Evidence
from genkit.metrics.train_seconds import train_seconds


def test_what_was_not_trained_has_no_training_time():
    with pytest.raises(Unmeasurable):
        train_seconds(Evidence.of_arrays(training_seconds=None))
    assert train_seconds(Evidence.of_arrays(training_seconds=12.5)).value == 12.5
