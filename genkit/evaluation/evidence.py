"""What metrics are given: each thing is computed once, when first asked for, and shared."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split
from genkit.data.images import in_range, quantize
from genkit.evaluation.extraction import Seen
from genkit.evaluation.reference import Arrays, Reference
from genkit.evaluation.samples import Progress, Samples, quiet
from genkit.features.extractor import Extractor
from genkit.metrics.evidence import Features
from genkit.models.base import GenerativeModel
from genkit.seeds import derive

TEST_CHUNK = 256

T = TypeVar("T", bound=np.generic)


@dataclass
class Gathered:
    """What one evaluation gathers of its subject.

    ``samples`` are what is measured, ``reference`` what they are compared with, ``test`` holds the images for
    reconstruction and likelihood, ``originals`` what is seen in those. ``extractors`` and ``images`` (whether samples
    are kept) say what the one pass over the samples is for, ``parameters`` those of each metric that is measured.
    ``model`` is None for a set of images.
    """

    samples: Samples
    reference: Reference
    test: Split
    originals: Reference
    extractors: list[Extractor]
    model: GenerativeModel | None
    device: torch.device
    images: bool = False
    classes: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training_seconds: float | None = None
    seed: int = 0
    progress: Progress = quiet
    _likelihoods: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _views: dict[str, tuple[Features, Features]] = field(default_factory=dict)
    _shared: dict[Any, Any] = field(default_factory=dict)
    _spool: tempfile.TemporaryDirectory[str] | None = None

    @functools.cached_property
    def seen(self) -> Seen:
        """The one pass over the samples."""
        seen = Seen(self.samples, self.extractors, "samples", images=self.images)
        seen.gather("samples", self.progress)
        return seen

    @functools.cached_property
    def test_images(self) -> NDArray[np.float32]:
        """Float32 test images [n, C, H, W] in [0, 1], on disk while the evaluation lasts."""
        return self._spooled("test", lambda images: images)

    @functools.cached_property
    def reconstructions(self) -> NDArray[np.float32]:
        """The model's reconstructions of the test images."""
        return self._spooled("reconstructions", self.reconstruct)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the model's reconstructions; raises PluginError if they are not finite or not in [0, 1]."""
        return in_range(self.ask("reconstruct", images), f"reconstructions of {type(self.model).__name__}")

    def reconstructed(self, extractor: str) -> tuple[Features, Features]:
        """Features of the test images and of their reconstructions."""
        if extractor not in self._views:
            (eyes,) = (each for each in self.extractors if each.name == extractor)
            self._views[extractor] = self.originals.features(extractor), self._features_of(eyes)
        return self._views[extractor]

    def log_likelihood(self, importance_samples: int) -> NDArray[np.float64]:
        """Lower bounds of the test images' log-likelihoods, nats, [n]."""
        if importance_samples not in self._likelihoods:

            def bound(images: Tensor, index: int) -> Tensor:
                generator = torch.Generator(self.device).manual_seed(derive(self.seed, "likelihood", index))
                found: Tensor = self.ask(
                    "log_likelihood", images, generator=generator, importance_samples=importance_samples
                )
                return found

            what = "likelihood" if importance_samples == 1 else f"likelihood, K = {importance_samples}"
            self._likelihoods[importance_samples] = self._over_test(what, bound)
        return self._likelihoods[importance_samples]

    @functools.cached_property
    def kl(self) -> NDArray[np.float64]:
        """Divergences of the test images' posteriors from the prior, nats, [n]."""
        return self._over_test("kl", lambda images, index: self.ask("kl", images))

    @functools.cached_property
    def posterior_means(self) -> NDArray[np.float64]:
        """Means of the test images' posteriors, [n, ...latent]."""
        return self._over_test("posterior", lambda images, index: self.ask("posterior", images).mean)

    def ask(self, capability: str, *arguments: Any, **named: Any) -> Any:
        """Call a model's capability without gradients, in eval mode."""
        assert self.model is not None
        self.model.eval()
        with torch.no_grad():
            return getattr(self.model, capability)(*arguments, **named)

    def _over_test(self, what: str, function: Callable[[Tensor, int], Tensor]) -> NDArray[np.float64]:
        rows, done = [], 0
        for index, images in enumerate(self.test.chunks(TEST_CHUNK)):
            torch.manual_seed(derive(self.seed, what, index))
            with torch.no_grad():
                rows.append(function(images.to(self.device), index).double().cpu().numpy())
            done += len(images)
            self.progress(what, done, len(self.test))
        return np.concatenate(rows)

    def _features_of(self, extractor: Extractor) -> Features:
        found = []
        images = self.reconstructions
        for start in range(0, len(images), TEST_CHUNK):
            part = np.array(images[start : start + TEST_CHUNK])
            found.append(extractor(quantize(torch.from_numpy(part))))
            self.progress("features of reconstructions", min(len(images), start + TEST_CHUNK), len(images))
        return Features(np.concatenate([np.asarray(each.features) for each in found]))

    def _spooled(self, name: str, transform: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        if self._spool is None:
            self._spool = tempfile.TemporaryDirectory(prefix="genkit-")
        shape = (len(self.test), *self.test.pixels.shape[1:])
        path = Path(self._spool.name, f"{name}.npy")
        spool = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        done = 0
        for images in self.test.chunks(TEST_CHUNK):
            torch.manual_seed(derive(self.seed, name, done))
            spool[done : done + len(images)] = transform(images.to(self.device)).float().cpu().numpy()
            done += len(images)
            self.progress(name, done, len(self.test))
        return spool

    def close(self, *, finished: bool = True) -> None:
        """Remove what was kept on disk; what an unfinished evaluation has seen stays for the next one."""
        if self._spool is not None:
            self._spool.cleanup()
        if "seen" in self.__dict__:
            self.seen.close(remove=finished)


@dataclass
class Evidence:
    """The evidence as one metric sees it: through one extractor, with ``count`` samples.

    Fits genkit.metrics.evidence.Evidence.
    """

    gathered: Gathered
    extractor: str = ""
    count: int = 0
    metric: str = ""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The metric's parameters."""
        return self.gathered.parameters.get(self.metric, {})

    def parameters_of(self, metric: str) -> Mapping[str, Any] | None:
        """Another metric's parameters, or None if it is not measured."""
        return self.gathered.parameters.get(metric)

    @property
    def real(self) -> Features:
        """Features of the reference images."""
        return self.gathered.reference.features(self.extractor)

    @property
    def generated(self) -> Features:
        """Features of the samples."""
        whole = self.gathered.seen.features(self.extractor)
        return Features(self._few(whole.features), None if whole.logits is None else self._few(whole.logits))

    @property
    def real_labels(self) -> NDArray[np.int64] | None:
        """Labels of the reference images."""
        return self.gathered.reference.labels

    @property
    def generated_labels(self) -> NDArray[np.int64] | None:
        """Labels that the samples were asked for, or came with."""
        labels = self.gathered.samples.labels()
        return None if labels is None else np.asarray(self._few(labels))

    @property
    def generated_images(self) -> NDArray[np.uint8]:
        """The samples themselves, memory-mapped."""
        return self._few(self.gathered.seen.images())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.gathered.classes

    @property
    def logit_classes(self) -> tuple[str, ...]:
        """The classes that the extractor's logits are of."""
        (eyes,) = (each for each in self.gathered.extractors if each.name == self.extractor)
        return eyes.classes

    @property
    def test(self) -> Split:
        """The test split."""
        return self.gathered.test

    @property
    def test_images(self) -> NDArray[np.float32]:
        """Test images in [0, 1]."""
        return self.gathered.test_images

    @property
    def reconstructions(self) -> NDArray[np.float32]:
        """Reconstructions of the test images in [0, 1]."""
        return self.gathered.reconstructions

    @property
    def reconstructed(self) -> tuple[Features, Features]:
        """Features of the test images and of their reconstructions."""
        return self.gathered.reconstructed(self.extractor)

    @property
    def kl(self) -> NDArray[np.float64]:
        """Divergences of the posteriors from the prior."""
        return self.gathered.kl

    @property
    def posterior_means(self) -> NDArray[np.float64]:
        """Means of the posteriors."""
        return self.gathered.posterior_means

    @property
    def model(self) -> GenerativeModel | None:
        """The model that is measured."""
        return self.gathered.model

    @property
    def samples(self) -> Samples:
        """Where the samples come from."""
        return self.gathered.samples

    @property
    def training_seconds(self) -> float | None:
        """How long training took."""
        return self.gathered.training_seconds

    def _few(self, rows: NDArray[T]) -> NDArray[T]:
        """Those of the samples' rows that this metric is of."""
        return rows if self.count == len(rows) else rows[self.gathered.samples.subset(self.count)]

    def log_likelihood(self, importance_samples: int) -> NDArray[np.float64]:
        """Lower bounds per test image, nats."""
        return self.gathered.log_likelihood(importance_samples)

    def remembered(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Arrays that depend on the real features alone: computed once per reference, kept in the cache."""
        return self.gathered.reference.remembered(self.extractor, name, compute)

    def shared(self, name: str, compute: Callable[[], Any]) -> Any:
        """Something that several metrics of this evaluation need of the same features and number of samples."""
        key = self.extractor, self.count, name
        if key not in self.gathered._shared:
            self.gathered._shared[key] = compute()
        return self.gathered._shared[key]
