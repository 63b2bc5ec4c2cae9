from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence
from genkit.metrics.elbo import elbo


def made(importance_samples):
    bounds = np.array([-80.0, -82.0, -84.0])
    return Evidence.of_arrays(
        log_likelihood=lambda k: bounds * k, parameters={"importance_samples": importance_samples}
    )


def test_elbo_is_the_mean_bound():
    assert elbo(made(1)).value == -82.0
