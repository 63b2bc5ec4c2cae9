"""Conformance: whether a model keeps the contract of genkit.models.base, checked on small synthetic images.

    report = genkit.check("dcgan")
    print(report)

Each check looks at one promise, and all of them run: the first failure stops nothing, a check that crashes has failed,
and a check whose ground is broken says which other check to mend first. What the contract alone can't see is checked
through what the bases offer (a GAN's ``logits``, a VAE's typed ``likelihood``), or reported as unverified.
"""

from genkit.conformance.catalogue import CHECKS, Examination, check
from genkit.conformance.report import Report, Result

__all__ = ["CHECKS", "Examination", "Report", "Result", "check"]
