"""Image data sets: opened by name, packed once, read through a memory map."""

from genkit.data.dataset import ImageDataset, Split
from genkit.data.facts import describe_dataset
from genkit.data.open import open_dataset, open_images

__all__ = ["ImageDataset", "Split", "describe_dataset", "open_dataset", "open_images"]
