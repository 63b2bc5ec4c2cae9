"""Evidence: what all metrics of one evaluation share. Each thing is computed once, when first asked for."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split
from genkit.features.extractor import Extractor
from genkit.images import quantize
from genkit.metrics.evidence import Features
from genkit.model import GenerativeModel
from genkit.seeds import derive

TEST_CHUNK = 256

Progress = Callable[[str, int, int], None]
"""What is being done, how many are done, of how many."""


@dataclass
class ModelSamples:
    """Samples drawn from a model in full chunks; chunk i draws from (seed, i), so no chunk depends on another."""

    model: GenerativeModel
    count: int
    chunk: int
    seed: int
    device: torch.device
    seconds: float = 0.0

    def __iter__(self) -> Iterator[Tensor]:
        """Yield uint8 images [n, C, H, W]; the last chunk is cut after sampling, as randn(64)[:4] is not randn(4)."""
        self.model.eval()
        for index in range(-(-self.count // self.chunk)):
            began = time.perf_counter()
            generator = torch.Generator(self.device).manual_seed(derive(self.seed, "sample", index))
            torch.manual_seed(derive(self.seed, "sample-global", index))
            with torch.no_grad():
                images = self.model.sample(self.chunk, generator=generator, condition=self._labels(index))
            images = quantize(images)[: self.count - index * self.chunk]
            self.seconds += time.perf_counter() - began
            yield images

    def _labels(self, index: int) -> Tensor | None:
        """Class labels drawn with the frequencies of the training split."""
        frequencies = self.model.data.class_frequencies
        if not frequencies:
            return None
        generator = torch.Generator().manual_seed(derive(self.seed, "labels", index))
        weights = torch.tensor(frequencies, dtype=torch.float64)
        return torch.multinomial(weights, self.chunk, replacement=True, generator=generator).to(self.device)


@dataclass
class SplitSamples:
    """Images of a split, all or a random ``count`` of them, as samples or as the reference."""

    split: Split
    count: int
    chunk: int
    seed: int
    seconds: float = 0.0

    def __iter__(self) -> Iterator[Tensor]:
        order: NDArray[np.int64] = np.arange(len(self.split))
        if self.count < len(self.split):
            generator = torch.Generator().manual_seed(derive(self.seed, "subset"))
            order = torch.randperm(len(self.split), generator=generator)[: self.count].numpy()
        for start in range(0, self.count, self.chunk):
            yield torch.from_numpy(np.array(self.split.uint8(order[start : start + self.chunk])))


def extract(extractor: Extractor, source: ModelSamples | SplitSamples, what: str, progress: Progress) -> Features:
    """Extract features chunk by chunk and return them as arrays [n, d]."""
    features: list[NDArray[np.float32]] = []
    logits: list[NDArray[np.float32]] = []
    done = 0
    for images in source:
        found = extractor(images)
        features.append(np.asarray(found.features))
        if found.logits is not None:
            logits.append(np.asarray(found.logits))
        done += len(images)
        progress(what, done, source.count)
    return Features(np.concatenate(features), np.concatenate(logits) if logits else None)


@dataclass
class Evidence:
    """The evidence of one evaluation; fits genkit.metrics.evidence.Evidence.

    ``samples`` are what is measured, ``reference`` gives the features of what they are compared with, ``test`` holds
    the images for reconstruction and likelihood. ``model`` is None for a set of images.
    """

    samples: ModelSamples | SplitSamples
    reference: Callable[[], Features]
    test: Split
    extractor: Extractor
    model: GenerativeModel | None
    device: torch.device
    seed: int = 0
    progress: Progress = lambda what, done, total: None
    _likelihoods: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _spool: tempfile.TemporaryDirectory[str] | None = None

    @property
    def real(self) -> Features:
        """Features of the reference, shared by all subjects of an evaluator."""
        return self.reference()

    @functools.cached_property
    def generated(self) -> Features:
        """Features of the samples: one pass, chunk by chunk; no image is kept."""
        return extract(self.extractor, self.samples, "samples", self.progress)

    @functools.cached_property
    def test_images(self) -> NDArray[np.float32]:
        """Float32 test images [n, C, H, W] in [0, 1], on disk while the evaluation lasts."""
        return self._spooled("test", lambda images: images)

    @functools.cached_property
    def reconstructions(self) -> NDArray[np.float32]:
        """The model's reconstructions of the test images, clipped to [0, 1]."""
        return self._spooled("reconstructions", lambda images: self.model.reconstruct(images).clamp(0, 1))  # type: ignore[union-attr, operator]

    def log_likelihood(self, importance_samples: int) -> NDArray[np.float64]:
        """Lower bounds of the test images' log-likelihoods, nats, [n]."""
        if importance_samples not in self._likelihoods:
            assert self.model is not None
            self.model.eval()
            bounds = []
            for index, images in enumerate(self.test.chunks(TEST_CHUNK)):
                generator = torch.Generator(self.device).manual_seed(derive(self.seed, "likelihood", index))
                with torch.no_grad():
                    bound = self.model.log_likelihood(  # type: ignore[operator]
                        images.to(self.device), generator=generator, importance_samples=importance_samples
                    )
                bounds.append(bound.double().cpu().numpy())
                self.progress("likelihood", min(len(self.test), (index + 1) * TEST_CHUNK), len(self.test))
            self._likelihoods[importance_samples] = np.concatenate(bounds)
        return self._likelihoods[importance_samples]

    def _spooled(self, name: str, transform: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        if self._spool is None:
            self._spool = tempfile.TemporaryDirectory(prefix="genkit-")
        if self.model is not None:
            self.model.eval()
        shape = (len(self.test), *self.test.pixels.shape[1:])
        path = Path(self._spool.name, f"{name}.npy")
        spool = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        done = 0
        for images in self.test.chunks(TEST_CHUNK):
            with torch.no_grad():
                spool[done : done + len(images)] = transform(images.to(self.device)).float().cpu().numpy()
            done += len(images)
            self.progress(name, done, len(self.test))
        return spool

    def close(self) -> None:
        """Remove what was kept on disk."""
        if self._spool is not None:
            self._spool.cleanup()

    def matched(self, count: int) -> Evidence:
        """The same evidence with only the first ``count`` samples."""
        smaller = dataclasses.replace(self, samples=dataclasses.replace(self.samples, count=count))
        whole = self.generated
        smaller.__dict__["generated"] = Features(
            whole.features[:count], None if whole.logits is None else whole.logits[:count]
        )
        return smaller
