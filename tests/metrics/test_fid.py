from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence, frechet_distance
from genkit.metrics.fid import fid

REAL, GENERATED = (np.random.default_rng(seed).random((rows, 6)) for seed, rows in enumerate((60, 80)))


def made(ddof=1, mean_dtype="float64"):
    parameters = {"ddof": ddof, "mean_dtype": mean_dtype}
    return Evidence.of_arrays(real_features=REAL, generated_features=GENERATED, parameters=parameters)


def test_fid_is_the_frechet_distance_of_the_features_with_its_parameters():
    assert fid(made()) == frechet_distance(REAL, GENERATED)
    assert fid(made(0, "float32")) == frechet_distance(REAL, GENERATED, ddof=0, mean_dtype="float32")


def test_stored_statistics_of_the_reference_give_the_same_distance():
    kept, found = {}, made()
    found.cached_per_reference = lambda name, compute: kept.setdefault(name, compute())
    first = fid(found)
    assert list(kept) == ["gaussian-1"]
    assert fid(found) == first
