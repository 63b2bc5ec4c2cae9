"""FID: the Frechet distance between the features of real and generated images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.frechet import Gaussian, frechet_distance
from genkit.results.score import Score


def fid(evidence: Evidence) -> Score:
    """Return the Frechet distance of the generated from the real images' features; 0 is best (arXiv:1706.08500)."""
    ddof, mean_dtype = evidence.parameters["ddof"], evidence.parameters["mean_dtype"]
    reference = fitted(evidence, ddof)
    return frechet_distance(reference, evidence.generated.features, ddof=ddof, mean_dtype=mean_dtype)


def fitted(evidence: Evidence, ddof: int = 1) -> Gaussian:
    """Return the Gaussian of the real features, fitted and factored once per reference."""
    features = evidence.real.features
    kept = evidence.remembered(f"gaussian-{ddof}", lambda: Gaussian.fit(features, ddof=ddof).to_arrays())
    return Gaussian.from_arrays(kept, features)
