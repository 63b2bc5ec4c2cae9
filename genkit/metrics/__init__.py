"""Metrics: functions of arrays that return a Score. Each metric has a module of its name; numerics/ is shared.

Importing this needs NumPy only: SciPy and torch are imported on demand.
"""

from genkit.metrics.authpct import authenticity
from genkit.metrics.bits_per_dim import bits_per_dimension
from genkit.metrics.cmmd import cmmd_distance
from genkit.metrics.evidence import Evidence
from genkit.metrics.fid_inf import frechet_distance_infinity
from genkit.metrics.is_ import inception_score
from genkit.metrics.kid import Subsets, kernel_distance
from genkit.metrics.mifid import memorization_distance
from genkit.metrics.numerics.frechet import FeatureStatistics, frechet_distance
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.prdc import density_coverage, precision_recall
from genkit.metrics.vendi import vendi_score
from genkit.results.score import Score

__all__ = [
    "Evidence",
    "FeatureStatistics",
    "Score",
    "Subsets",
    "authenticity",
    "bits_per_dimension",
    "cmmd_distance",
    "density_coverage",
    "frechet_distance",
    "frechet_distance_infinity",
    "inception_score",
    "kernel_distance",
    "mean_score",
    "memorization_distance",
    "precision_recall",
    "vendi_score",
]
