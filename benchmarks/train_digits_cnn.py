"""Train the embedded extractor ``digits-cnn`` on the training split of ``digits`` and write its weights and metadata.

    uv run python benchmarks/train_digits_cnn.py

The result depends on torch, its thread count (set to 1 here) and the seed only.
"""

from __future__ import annotations

import torch

from genkit.data import open_dataset
from genkit.features.classifier import save
from genkit.features.digits_cnn import WEIGHTS
from genkit.features.trained import metadata_of, train_classifier

SEED = 0


def main() -> None:
    """Train, save and print the accuracy."""
    torch.set_num_threads(1)
    digits = open_dataset("digits")
    module, accuracy = train_classifier(digits, seed=SEED)
    info = save(module, metadata_of(digits, "digits-cnn", accuracy, SEED), WEIGHTS)
    print(f"{info['name']}: test accuracy {accuracy:.2%}, sha256 {info['sha256']}")


if __name__ == "__main__":
    main()
