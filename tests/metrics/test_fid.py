from __future__ import annotations

import numpy as np
from evidences import evidence

from genkit.metrics import frechet_distance
from genkit.metrics.evidence import Features
from genkit.metrics.fid import fid


def features(rows, seed):
    rng = np.random.default_rng(seed)
    return Features(rng.random((rows, 6)), rng.random((rows, 3)))


def made(ddof=1, mean_dtype="float64"):
    parameters = {"ddof": ddof, "mean_dtype": mean_dtype}
    return evidence(real=features(60, 0), generated=features(80, 1), parameters=parameters)


def test_fid_is_the_frechet_distance_of_the_features_with_its_parameters():
    pair = made().real.features, made().generated.features
    assert fid(made()) == frechet_distance(*pair)
    assert fid(made(0, "float32")) == frechet_distance(*pair, ddof=0, mean_dtype="float32")


def test_stored_statistics_of_the_reference_give_the_same_distance():
    kept, found = {}, made()
    found.remembered = lambda name, compute: kept.setdefault(name, compute())
    first = fid(found)
    assert list(kept) == ["gaussian-1"]
    assert fid(found) == first
