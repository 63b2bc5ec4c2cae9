"""Observation models p(x | z) for decoders, with exact log-probabilities in nats.

Log-probabilities with another ``name`` or ``binarisation`` measure something else (a density, the probability of grey
levels, the probability of a binary image) and are never compared.
"""

from genkit.models.likelihoods.base import Likelihood
from genkit.models.likelihoods.bernoulli import Bernoulli, Binarisation
from genkit.models.likelihoods.gaussian import Gaussian
from genkit.models.likelihoods.levels import Categorical, DiscretizedLogistic, DiscretizedLogisticMixture

__all__ = [
    "Bernoulli",
    "Binarisation",
    "Categorical",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Gaussian",
    "Likelihood",
]
