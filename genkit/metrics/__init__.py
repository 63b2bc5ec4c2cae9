"""Metrics: arrays in, scores out. What a number means is said in the docstring of its function.

Imported at once, not on demand: the module ``inception_score`` would otherwise hide the function of its name. This
costs NumPy alone; SciPy and torch stay out.
"""

from genkit.metrics.frechet import frechet_distance
from genkit.metrics.inception_score import inception_score
from genkit.metrics.kernel import kernel_distance
from genkit.metrics.means import mean_score
from genkit.scores import Score

__all__ = [
    "Score",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mean_score",
]
