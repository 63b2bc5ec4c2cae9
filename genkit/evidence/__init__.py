"""Evidence: what all metrics of an evaluation share, gathered once and in one pass."""

from genkit.evidence.evidence import Evidence, Gathered
from genkit.evidence.reference import Reference
from genkit.evidence.samples import ModelSamples, Progress, Samples, SplitSamples, quiet

__all__ = ["Evidence", "Gathered", "ModelSamples", "Progress", "Reference", "Samples", "SplitSamples", "quiet"]
