"""FID per class: the Frechet distance within each class, for conditional models."""

from __future__ import annotations

import dataclasses

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.frechet import frechet_distance
from genkit.metrics.numerics.repeats import Repeats
from genkit.results.score import Score


def fid_per_class(evidence: Evidence) -> Score:
    """Return the mean over the classes of the Frechet distance between their real and generated features.

    ``parts`` holds the distance of each class. The interval is from a block jackknife that deletes a block of every
    class at once. Raises Unmeasurable without labels, or if a class has fewer than 3 real or generated images.
    """
    generated_labels, real_labels = evidence.generated_labels, evidence.real_labels
    if generated_labels is None or real_labels is None:
        raise Unmeasurable("real and generated images need labels")
    real, generated = evidence.real_features, evidence.generated_features
    pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for label, name in enumerate(evidence.classes):
        one, two = np.asarray(real[real_labels == label]), np.asarray(generated[generated_labels == label])
        if min(len(one), len(two)) < 3:
            raise Unmeasurable(f"class {name!r} has {len(one)} real and {len(two)} generated images, too few")
        pairs[name] = one, two
    sizes = (Repeats.of(rows).independent for pair in pairs.values() for rows in pair)
    blocks = jackknife.number_of_blocks(jackknife.BLOCKS, *sizes)
    scores = {name: frechet_distance(*pair, blocks=blocks) for name, pair in pairs.items()}
    deleted = np.mean([score.replicates for score in scores.values()], axis=0).tolist()
    rankable = all(score.rankable for score in scores.values())
    mean = jackknife.two_sample_score(
        float(np.mean([score.value for score in scores.values()])),
        deleted[: len(deleted) // 2],
        deleted[len(deleted) // 2 :],
        n=len(generated),
        note="" if rankable else "a class has no more images than features",
        rankable=rankable,
    ).within(0.0)
    return dataclasses.replace(mean, parts={name: score.value for name, score in scores.items()})
