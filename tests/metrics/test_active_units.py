from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence
from genkit.metrics.active_units import active_units


def test_active_units_are_the_dimensions_whose_mean_varies():
    means = np.random.default_rng(0).standard_normal((200, 2, 3)) * [1.0, 0.05, 0.5]
    score = active_units(Evidence.of_arrays(posterior_means=means, parameters={"threshold": 0.01}))
    assert (score.value, score.ci_low, score.ci_high) == (4.0, 4.0, 4.0)
