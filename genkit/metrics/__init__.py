"""Metrics: arrays in, scores out. What a number means is said in the docstring of its function.

Imported at once, not on demand: the module ``inception_score`` would otherwise hide the function of its name. This
costs NumPy alone; SciPy and torch stay out.
"""

from genkit.metrics.authenticity import authenticity
from genkit.metrics.bits_per_dim import bits_per_dim
from genkit.metrics.density_coverage import density_coverage
from genkit.metrics.frechet import Gaussian, frechet_distance
from genkit.metrics.frechet_infinity import frechet_distance_infinity
from genkit.metrics.inception_score import inception_score
from genkit.metrics.kernel import Subsets, kernel_distance
from genkit.metrics.means import mean_score
from genkit.metrics.memorization import memorization_distance
from genkit.metrics.mmd_cmmd import mmd_cmmd
from genkit.metrics.precision_recall import precision_recall
from genkit.metrics.vendi import vendi
from genkit.results.score import Score

__all__ = [
    "Gaussian",
    "Score",
    "Subsets",
    "authenticity",
    "bits_per_dim",
    "density_coverage",
    "frechet_distance",
    "frechet_distance_infinity",
    "inception_score",
    "kernel_distance",
    "mean_score",
    "memorization_distance",
    "mmd_cmmd",
    "precision_recall",
    "vendi",
]
