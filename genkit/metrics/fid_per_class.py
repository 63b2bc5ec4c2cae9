"""FID within each class: what a conditional model draws when it is asked for a class."""

from __future__ import annotations

import math

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics import jackknife
from genkit.metrics.evidence import Evidence
from genkit.metrics.frechet import frechet_distance
from genkit.scores import Score


def fid_per_class(evidence: Evidence) -> Score:
    """Return the mean over the classes of the Frechet distance between their real and generated features.

    ``parts`` has each class's. Classes are independent: their variances add up. Raises Unmeasurable without labels,
    or if a class has fewer than 3 images on either side.
    """
    asked, known = evidence.generated_labels, evidence.real_labels
    if asked is None or known is None:
        raise Unmeasurable("real and generated images need labels")
    real, generated = evidence.real.features, evidence.generated.features
    scores: dict[str, Score] = {}
    for label, name in enumerate(evidence.classes):
        one, two = np.asarray(real[known == label]), np.asarray(generated[asked == label])
        if min(len(one), len(two)) < 3:
            raise Unmeasurable(f"class {name!r} has {len(one)} real and {len(two)} generated images, too few")
        scores[name] = frechet_distance(one, two)
    found = list(scores.values())
    value = float(np.mean([score.value for score in found]))
    centre = float(np.mean([(score.ci_low + score.ci_high) / 2 for score in found]))
    stderr = math.sqrt(sum(score.stderr**2 for score in found)) / len(found)
    half = jackknife.t_quantile(jackknife.BLOCKS - 1) * stderr
    same = len({len(score.replicates) for score in found}) == 1
    return Score(
        value=value,
        stderr=stderr,
        ci_low=max(centre - half, 0.0),
        ci_high=centre + half,
        method="bias-corrected two-sample block jackknife in each class",
        n=len(generated),
        replicates=tuple(np.mean([score.replicates for score in found], axis=0).tolist()) if same else (),
        rankable=all(score.rankable for score in found),
        note="" if all(score.rankable for score in found) else "a class has no more images than features",
        parts={name: score.value for name, score in scores.items()},
    )
