"""Metrics: functions of arrays that return a Score. Each metric has a module of its name; numerics/ is shared.

Importing this needs NumPy only: SciPy and torch are imported on demand.
"""

from genkit.metrics.authpct import authenticity
from genkit.metrics.bits_per_dim import bits_per_dimension
from genkit.metrics.clipped_coverage import clipped_coverage_score
from genkit.metrics.clipped_density import clipped_density_score
from genkit.metrics.cmmd import cmmd_distance
from genkit.metrics.evidence import Evidence
from genkit.metrics.f_score import f_measure
from genkit.metrics.fid_inf import frechet_distance_infinity
from genkit.metrics.is_ import inception_score
from genkit.metrics.kid import Subsets, kernel_distance
from genkit.metrics.mifid import memorization_distance
from genkit.metrics.mind import monge_distance
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
    "clipped_coverage_score",
    "clipped_density_score",
    "cmmd_distance",
    "density_coverage",
    "f_measure",
    "frechet_distance",
    "frechet_distance_infinity",
    "inception_score",
    "kernel_distance",
    "mean_score",
    "memorization_distance",
    "monge_distance",
    "precision_recall",
    "vendi_score",
]
