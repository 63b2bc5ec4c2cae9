"""KID: the squared kernel distance between the features of real and generated images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.kernel import Subsets, kernel_distance
from genkit.results.score import Score


def kid(evidence: Evidence) -> Score:
    """Return the unbiased squared kernel distance, cubic kernel; about 0 is best (arXiv:1801.01401).

    Of all pairs, or with the parameter ``subsets`` the mean over so many random subsets, as the references do.
    """
    chosen = evidence.parameters
    subsets = None
    if chosen["subsets"]:
        subsets = Subsets(
            count=chosen["subsets"],
            size=chosen["size"],
            seed=chosen["seed"],
            shrink=chosen["shrink"],
            generated_first=chosen["generated_first"],
        )
    return kernel_distance(evidence.real.features, evidence.generated.features, subsets=subsets)
