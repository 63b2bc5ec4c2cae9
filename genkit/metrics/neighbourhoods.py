"""Precision, recall, density and coverage of one evaluation: one pass over the distances serves all four."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.manifold import Reach, ball_scores
from genkit.results.score import Score

_MANIFOLD, _CONTENTS = ("precision", "recall"), ("density", "coverage")


def ball_score(evidence: Evidence, metric: str) -> Score:
    """Return one of the four scores at its own reach; those of the same reach beside it come with the first."""

    def reach(metrics: tuple[str, ...]) -> Reach | None:
        own = (metric,) if metric in metrics else metrics
        chosen = next((found for name in own if (found := evidence.parameters_of(name)) is not None), None)
        return Reach(**chosen) if chosen is not None else None

    manifold, contents = reach(_MANIFOLD), reach(_CONTENTS)

    def compute() -> dict[str, Score]:
        features = evidence.real.features, evidence.generated.features
        return ball_scores(*features, precision_recall=manifold, density_coverage=contents)

    scores: dict[str, Score] = evidence.shared(f"balls {manifold} {contents}", compute)
    return scores[metric]
