"""Conformance checks: does a model keep the contract of genkit.models.base? Tested on small synthetic images.

    report = genkit.check("dcgan")
    print(report)

Each check tests one promise. All checks run: a failure does not stop the others, a check that crashes has failed, and a
check that needs a failed one is skipped and names it. Promises beyond the contract are tested through methods of the
base classes (``logits`` of a GAN, ``likelihood`` of a VAE), or else reported as unverified.
"""

from genkit.conformance.catalogue import CHECKS, Examination, check
from genkit.conformance.report import Report, Result

__all__ = ["CHECKS", "Examination", "Report", "Result", "check"]
