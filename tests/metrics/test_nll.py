from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence
from genkit.metrics.nll import nll


def made(importance_samples):
    bounds = np.array([-80.0, -82.0, -84.0])
    return Evidence.of_arrays(
        log_likelihood=lambda k: bounds * k, parameters={"importance_samples": importance_samples}
    )


def test_nll_takes_the_importance_samples_of_the_protocol():
    assert nll(made(2)).value == 164.0
