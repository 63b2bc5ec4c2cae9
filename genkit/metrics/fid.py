"""FID: the Frechet distance between features of real and generated images (Heusel et al. 2017)."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.frechet import FeatureStatistics, frechet_distance
from genkit.results.score import Score


def fid(evidence: Evidence) -> Score:
    """Return the Frechet distance between generated and real features; 0 is best (arXiv:1706.08500)."""
    ddof, mean_dtype = evidence.parameters["ddof"], evidence.parameters["mean_dtype"]
    reference = reference_statistics(evidence, ddof)
    return frechet_distance(reference, evidence.generated_features, ddof=ddof, mean_dtype=mean_dtype)


def reference_statistics(evidence: Evidence, ddof: int = 1) -> FeatureStatistics:
    """Return mean and covariance of the real features, fitted and factored once per reference."""
    features = evidence.real_features
    if isinstance(features, FeatureStatistics):  # those of a file, without the features
        return features
    kept = evidence.cached_per_reference(
        f"gaussian-{ddof}", lambda: FeatureStatistics.fit(features, ddof=ddof).to_arrays()
    )
    return FeatureStatistics.from_arrays(kept, features)
