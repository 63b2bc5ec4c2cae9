from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence
from genkit.metrics.kl import kl


def test_kl_is_the_mean_divergence_and_its_interval_is_not_negative():
    score = kl(Evidence.of_arrays(kl=np.array([0.0, 0.0, 3.0])))
    assert (score.value, score.ci_low) == (1.0, 0.0)
