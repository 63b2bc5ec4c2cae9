"""The images that are measured, in chunks: drawn from a model, or taken from a split."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split
from genkit.data.images import quantize, truncate
from genkit.data.prompts import CaptionDraw
from genkit.evaluation.prompting import follows_prompts
from genkit.files.reading import read_file
from genkit.models.base import GenerativeModel
from genkit.models.drawing import sampling_of
from genkit.models.images import drawn, understood
from genkit.registry.provenance import code_of_object
from genkit.seeds import derive

CHUNK_PIXELS = 1 << 26
"""Pixels that a chunk may have: 250 images of 512x512 fit."""

QUANTISATION: dict[str, Callable[[Tensor], Tensor]] = {"round-half-even": quantize, "truncate": truncate}


@dataclass
class ModelSamples:
    """Samples drawn from a model in full chunks; chunk i draws from (seed, i), so no chunk depends on another.

    A model of texts is asked captions of ``captioned``, the split that samples are compared with, drawn by the seed;
    the samples have the labels of the images that these captions are of.
    """

    model: GenerativeModel
    count: int
    chunk: int
    seed: int
    device: torch.device
    quantisation: str = "round-half-even"
    captioned: Split | None = None

    def chunks(self, start: int = 0) -> Iterator[Tensor]:
        """Yield the chunks; the last one is cut after sampling, as randn(64)[:4] is not randn(4).

        Raises PluginError for anything but images of the data's shape, as many as asked for, finite and in [0, 1].
        """
        for index in range(start // self.chunk, -(-self.count // self.chunk)):
            generator = torch.Generator(self.device).manual_seed(derive(self.seed, "sample", index))
            torch.manual_seed(derive(self.seed, "sample-global", index))
            images = drawn(self.model, self.chunk, generator=generator, condition=self._condition(index))
            yield QUANTISATION[self.quantisation](images)[: self.count - index * self.chunk]

    def labels(self) -> NDArray[np.int64] | None:
        """Return the classes that the images are conditioned on, or None for an unconditional model."""
        if self._captions is not None and self.captioned is not None:
            places = [self._asked(index)[1] for index in range(-(-self.count // self.chunk))]
            labels = self.captioned.labels
            return None if labels is None else np.asarray(labels)[np.concatenate(places)][: self.count]
        if not self.model.conditional:
            return None
        chunks = [self._labels(index) for index in range(-(-self.count // self.chunk))]
        known = [each.cpu().numpy() for each in chunks if each is not None]
        return np.concatenate(known)[: self.count] if known else None

    def subset(self, count: int) -> slice:
        """Return the first ``count``, as samples are independent."""
        return slice(count)

    def identity(self) -> dict[str, Any]:
        """Return the hash of the weights, the class and options of the model, and how it is sampled."""
        weights = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            weights.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            weights.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        cls = type(self.model)
        return {
            "model": f"{cls.__module__}.{cls.__qualname__}",
            "code": own.source if (own := code_of_object(self.model)) is not None else _file_of(cls),
            "options": repr(self.model.options),
            **({"prompts": self.prompts_sha256} if self.prompts_sha256 else {}),
            **({"sampling": drawn_with} if (drawn_with := sampling_of(self.model)) else {}),
            "data": repr(self.model.data),
            "weights": weights.hexdigest(),
            "count": self.count,
            "chunk": self.chunk,
            "seed": self.seed,
            "quantisation": self.quantisation,
            "device": self.device.type,
            "torch": torch.__version__,
        }

    @functools.cached_property
    def _captions(self) -> CaptionDraw | None:
        captions = None if self.captioned is None else self.captioned.captions
        return CaptionDraw(self.captioned) if self.captioned and captions and follows_prompts(self.model) else None

    def _asked(self, index: int) -> tuple[list[str], NDArray[np.int64]]:
        """Return the prompts of a chunk, and the indices of the images that they are captions of."""
        assert self._captions is not None
        return self._captions.draw(self.chunk, derive(self.seed, "prompts", index))

    def prompts(self) -> list[str] | None:
        """Return the captions that a model of texts is asked, one for each image; None for other models."""
        if self._captions is None:
            return None
        asked = [text for index in range(-(-self.count // self.chunk)) for text in self._asked(index)[0]]
        return asked[: self.count]

    @functools.cached_property
    def prompts_sha256(self) -> str:
        """The hash of the captions that a model of texts is asked; empty for other models."""
        if self._captions is None:
            return ""
        texts = [self._asked(index)[0] for index in range(-(-self.count // self.chunk))]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()

    def _condition(self, index: int) -> Any:
        if self._captions is None:
            return self._labels(index)
        return understood(self.model, self._asked(index)[0])

    def _labels(self, index: int) -> Tensor | None:
        """Draw class labels with the frequencies of the training split."""
        frequencies = self.model.data.class_frequencies
        if not frequencies:
            return None
        generator = torch.Generator().manual_seed(derive(self.seed, "labels", index))
        weights = torch.tensor(frequencies, dtype=torch.float64)
        return torch.multinomial(weights, self.chunk, replacement=True, generator=generator).to(self.device)


@dataclass
class SplitImages:
    """All images of a split, or a random ``count`` of them; ``content`` is the hash of its data set.

    Chunks of large images are smaller, so that memory does not grow with their size. Images of several sizes come one
    by one, each without what its pixels are padded with.
    """

    split: Split
    count: int
    chunk: int
    seed: int = 0
    content: str = ""

    def __post_init__(self) -> None:
        pixels = self.split.pixels.shape[-2] * self.split.pixels.shape[-1]
        self.chunk = 1 if self.split.sizes is not None else max(1, min(self.chunk, CHUNK_PIXELS // pixels))

    def chunks(self, start: int = 0) -> Iterator[Tensor]:
        """Yield all images in the order of their source, or a random subset of them."""
        sizes = self.split.sizes
        for first in range(start, self.count, self.chunk):
            images = self.at(np.arange(first, min(first + self.chunk, self.count)))
            if sizes is not None:
                height, width = sizes[self._places[first]]
                images = np.ascontiguousarray(images[..., :height, :width])
            yield torch.from_numpy(images)

    def at(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images at these places of the order, [n, C, H, W], those of several sizes padded."""
        return self.split.uint8(self._places[places])

    def labels(self) -> NDArray[np.int64] | None:
        """Return the labels of the images, in the order of the chunks."""
        return None if self.split.labels is None else np.asarray(self.split.labels)[self._places]

    @functools.cached_property
    def _places(self) -> NDArray[np.int64]:
        return self._in_order() if self.count == len(self.split) else self._chosen(self.count)

    def _in_order(self) -> NDArray[np.int64]:
        """Return all images in the order of their source, as references shuffle and subsample by index."""
        return np.arange(self.count) if self.split.order is None else self.split.order

    def subset(self, count: int) -> NDArray[np.int64]:
        """Return a random ``count``, as a split may be sorted by class."""
        if self.count < len(self.split):
            return np.arange(count)
        return np.sort(self._chosen(count))

    def _chosen(self, count: int) -> NDArray[np.int64]:
        generator = torch.Generator().manual_seed(derive(self.seed, "subset"))
        chosen: NDArray[np.int64] = torch.randperm(len(self.split), generator=generator)[:count].numpy()
        return chosen

    def identity(self) -> dict[str, Any]:
        """Return the content's hash, the split, and which of its images are taken."""
        subset = {"count": self.count, "seed": self.seed} if self.count < len(self.split) else {}
        content = self.content or hashlib.sha256(np.ascontiguousarray(self.split.pixels).data).hexdigest()
        order = hashlib.sha256(self._places.tobytes()).hexdigest()
        sizes = {} if self.split.sizes is None else {"sizes": hashlib.sha256(self.split.sizes.tobytes()).hexdigest()}
        identity = {"content": content, "split": self.split.name, "levels": self.split.levels, "order": order}
        return {**identity, **sizes, **subset}


def draws_classes(model: GenerativeModel | None, captioned: Split) -> bool:
    """Return whether samples of a model have labels: it is told classes, or texts that are captions of labelled images.

    ``captioned`` is the split whose captions a model of texts is asked.
    """
    if model is None:
        return False
    told_texts = follows_prompts(model) and captioned.captions is not None
    return captioned.labels is not None if told_texts else model.conditional


def _file_of(cls: type) -> str:
    """Return the hash of the file that defines one of genkit's own models: weights mean nothing without it."""
    try:
        return hashlib.sha256(read_file(inspect.getfile(cls))).hexdigest()
    except (OSError, TypeError):
        return ""
