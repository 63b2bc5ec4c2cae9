from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence, frechet_distance
from genkit.metrics.rfid import rfid


def test_rfid_is_the_distance_of_reconstructions_from_the_test_images():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((80, 5)), rng.standard_normal((80, 5)) * 1.2
    assert rfid(Evidence.of_arrays(test_features=one, reconstruction_features=two)) == frechet_distance(one, two)
