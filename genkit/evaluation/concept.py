"""What a tuned run learned of its new images: how like them its samples are, and how many of them it copies.

No judge knows a concept of one's own, so likeness is measured by features: precision and density against the new
images, beside those of the parent's training images, which show how little that would say by chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split
from genkit.data.images import grid, png, quantize
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.memorization import closest_pairs
from genkit.features.extractor import Extractor
from genkit.metrics import Score, authenticity
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.models.base import GenerativeModel
from genkit.models.images import drawn, understood
from genkit.seeds import derive
from genkit.training.runs import Run
from genkit.training.tuning import concept_split, open_concept

SAMPLES = 500
"""The most samples that are drawn of what a run was tuned to."""
PAIRS = 8
NEIGHBOURS = 3


def concept_exhibits(run: Run, model: GenerativeModel, evaluator: Evaluator) -> dict[str, bytes]:
    """Return ``concept.json`` and ``concept.png`` of a tuned run; empty for other runs, and without an extractor.

    The samples are of the run's prompt, or of the captions or classes of its new images in turn. The picture has the
    samples that are closest to new images, one for each image, above these. Raises MissingError or DataError for new
    images that are gone or have changed.
    """
    tuning = run.config.tuning
    if tuning is None or not evaluator.extractors:
        return {}
    extractor = evaluator.extractors[0]
    new = concept_split(open_concept(tuning), model, tuning.prompt)
    images = np.concatenate(list(_samples(model, new, evaluator)))
    known, ours = (_features(extractor, each) for each in (new.uint8(slice(None)), images))
    facts: dict[str, Any] = {"prompt": tuning.prompt, "images": len(new), "samples": len(images)}
    facts |= {"extractor": extractor.name, **_likeness(known, ours), "authpct": _told(authenticity(known, ours))}
    facts["old"] = _likeness(known, evaluator.reference.features(extractor.name))
    pairs = closest_pairs(known, ours, PAIRS)
    if not len(pairs.ratio):
        return {"concept.json": json.dumps(facts).encode()}
    facts["ratio"] = pairs.ratio.tolist()
    shown = np.concatenate([images[pairs.sample], new.uint8(pairs.training)])
    return {
        "concept.json": json.dumps(facts).encode(),
        "concept.png": png(grid(shown, len(pairs.ratio), width=0)),
    }


def _samples(model: GenerativeModel, new: Split, evaluator: Evaluator) -> Iterator[NDArray[np.uint8]]:
    """Yield samples of what the new images are, uint8 [n, C, H, W], in chunks that the evaluation's seed draws."""
    count, chunk = min(SAMPLES, evaluator.config.count), evaluator.config.chunk
    for start in range(0, count, chunk):
        places = np.arange(start, min(count, start + chunk)) % len(new)
        generator = torch.Generator(evaluator.device).manual_seed(derive(evaluator.config.seed, "concept", start))
        condition = _condition(model, new, places)
        yield quantize(drawn(model, len(places), generator=generator, condition=condition)).cpu().numpy()


def _condition(model: GenerativeModel, new: Split, places: NDArray[np.int64]) -> Any:
    if new.captions is not None:
        return understood(model, [new.captions[place][0] for place in places.tolist()])
    labels: Tensor | None = None if new.labels is None else torch.from_numpy(new.labels[places]).to(model.device)
    return labels


def _features(extractor: Extractor, images: NDArray[np.uint8]) -> NDArray[Any]:
    return np.asarray(extractor(torch.from_numpy(np.ascontiguousarray(images))).features)


def _likeness(new: NDArray[Any], others: NDArray[Any]) -> dict[str, Any]:
    """Return precision and density of images against the new ones."""
    near = Neighbourhood(min(NEIGHBOURS, len(np.unique(new, axis=0)) - 1))
    found = manifold_scores(new, others, precision_recall=near, density_coverage=near)
    return {"k": near.k, **{name: _told(found[name]) for name in ("precision", "density")}}


def _told(score: Score) -> dict[str, float]:
    return {"value": score.value, "ci_low": score.ci_low, "ci_high": score.ci_high}
