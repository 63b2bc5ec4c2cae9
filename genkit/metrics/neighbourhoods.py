"""Precision, recall, density and coverage of one evaluation: one pass over the distances serves all four."""

from __future__ import annotations

from genkit.metrics.balls import Reach, ball_scores
from genkit.metrics.evidence import Evidence
from genkit.scores import Score


def ball_score(evidence: Evidence, metric: str) -> Score:
    """Return one of the four scores; those measured beside it come with the first that is asked for."""

    def reach(*metrics: str) -> Reach | None:
        chosen = next((found for name in metrics if (found := evidence.parameters_of(name)) is not None), None)
        return Reach(**chosen) if chosen is not None else None

    def compute() -> dict[str, Score]:
        return ball_scores(
            evidence.real.features,
            evidence.generated.features,
            precision_recall=reach("precision", "recall"),
            density_coverage=reach("density", "coverage"),
        )

    scores: dict[str, Score] = evidence.shared("balls", compute)
    return scores[metric]
