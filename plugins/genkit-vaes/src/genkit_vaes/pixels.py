"""Which likelihood of pixels a model has, as an option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from genkit.models import DataInfo
from genkit.models.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Likelihood,
)


@dataclass
class PixelOptions:
    """``likelihood``: of the data's grey levels (a logistic, a mixture of them, a number each), or of binary pixels.

    ``binarisation`` says how the Bernoulli one sees grey images; ``mixtures`` counts the mixture's components.
    """

    likelihood: Literal["logistic", "mixture", "categorical", "bernoulli"] = "logistic"
    binarisation: Literal["dynamic", "static"] = "dynamic"
    mixtures: Annotated[int, Ge(1)] = 5


def likelihood_of(options: PixelOptions, data: DataInfo) -> Likelihood:
    """Return the observation model that the options ask for, with the data's number of levels."""
    kinds: dict[str, Likelihood] = {
        "logistic": DiscretizedLogistic(data.levels),
        "mixture": DiscretizedLogisticMixture(data.levels, options.mixtures),
        "categorical": Categorical(data.levels),
        "bernoulli": Bernoulli(options.binarisation),
    }
    return kinds[options.likelihood]
