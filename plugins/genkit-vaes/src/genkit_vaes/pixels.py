"""The likelihood of pixels as an option of a model."""

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
    """``likelihood``: of grey levels (logistic, mixture of logistics, categorical) or of binary pixels (bernoulli).

    ``binarisation``: how "bernoulli" binarises grey images; ``mixtures``: components of "mixture";
    ``kl_warmup``: training images over which the weight of KL rises from 0.
    """

    likelihood: Literal["logistic", "mixture", "categorical", "bernoulli"] = "logistic"
    binarisation: Literal["dynamic", "static"] = "dynamic"
    mixtures: Annotated[int, Ge(1)] = 5
    kl_warmup: Annotated[int, Ge(0)] = 0


def likelihood_of(options: PixelOptions, data: DataInfo) -> Likelihood:
    """Return the likelihood that the options name, for the data's number of grey levels."""
    kinds: dict[str, Likelihood] = {
        "logistic": DiscretizedLogistic(data.levels),
        "mixture": DiscretizedLogisticMixture(data.levels, options.mixtures),
        "categorical": Categorical(data.levels),
        "bernoulli": Bernoulli(options.binarisation),
    }
    return kinds[options.likelihood]
