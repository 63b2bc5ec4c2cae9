"""Observation models p(x | z): what a decoder's output means, with exact log-probabilities in nats.

Values of different ``name`` or ``binarisation`` are about different things (a density, the probability of a grey
level, the probability of a binary image) and are never compared.
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
