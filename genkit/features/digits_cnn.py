"""digits-cnn: the embedded extractor for the 8x8 digits; benchmarks/train_digits_cnn.py made its weights."""

from __future__ import annotations

from pathlib import Path

from genkit.errors import UsageError
from genkit.features.classifier import ClassifierExtractor, load
from genkit.features.extractor import FeatureRequest, offers

WEIGHTS = Path(__file__).parent / "weights"


@offers()
def digits_cnn(request: FeatureRequest) -> ClassifierExtractor:
    """Return the embedded classifier of grey 8x8 images; raises UsageError if weights are given."""
    if request.weights is not None:
        raise UsageError("digits-cnn is embedded and takes no weights file: leave --weights out")
    return load(WEIGHTS, "digits-cnn", request.device)
