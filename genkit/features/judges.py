"""The judge of a data set: its own classifier of classes, or what reads scenes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from genkit.data import ImageDataset
from genkit.data.scenes_grammar import SceneGrammar
from genkit.errors import Unmeasurable
from genkit.features import load_extractor, own_extractor
from genkit.features.cache import Progress
from genkit.features.extractor import Extractor
from genkit.features.judge import Judge
from genkit.features.scene_judge import scene_judge
from genkit.files.text import quoted


class ClassJudge(Judge):
    """The class that a data set's own classifier assigns to an image."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.sha256 = extractor.sha256

    def read(self, images: NDArray[np.uint8]) -> list[int]:
        """Return the classes of images."""
        logits = self.extractor(torch.from_numpy(np.ascontiguousarray(images))).logits
        assert logits is not None
        classes: list[int] = np.asarray(logits).argmax(axis=1).tolist()
        return classes


def judge_of(dataset: ImageDataset, device: str, progress: Progress) -> Judge:
    """Return the judge of a data set, trained on its training images if it is not yet in the cache.

    Raises Unmeasurable for a data set without a classifier of its classes.
    """
    if isinstance(dataset.grammar, SceneGrammar):
        return scene_judge(dataset, device, progress)
    name = own_extractor(dataset)
    extractor = load_extractor(name, device=device) if name else None
    if extractor is None or extractor.classes != dataset.classes:
        raise Unmeasurable(
            f"no classifier of the classes of {dataset.name} is here to judge: train one with "
            f"`genkit features train --dataset {quoted(dataset.name)}`"
        )
    return ClassJudge(extractor)
