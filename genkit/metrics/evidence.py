"""What a metric is given: the quantities of one evaluation, each computed on first use and shared by all metrics."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from genkit.errors import PluginError, Unmeasurable
from genkit.files.temporaries import Scratch
from genkit.seeds import derive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from genkit.data import Split
    from genkit.features.cache import Arrays, FeatureCache, Progress, Samples
    from genkit.features.extractor import Extractor
    from genkit.features.judge import AskedPrompts
    from genkit.models.base import GenerativeModel
    from genkit.registry.provenance import Code

    Features = NDArray[np.floating[Any]]

TEST_CHUNK = 256

T = TypeVar("T", bound=np.generic)
V = TypeVar("V")


@dataclass
class Evidence:
    """What one metric is given: the quantities of an evaluation, for one extractor and ``count`` samples.

    ``generated``, ``reference`` and ``test_set`` are the samples, the real images they are compared with, and the
    images for reconstruction and likelihood, which are those of ``test``. ``model`` is None for a set of images.
    ``metrics`` holds the parameters of each metric that is measured. Only what a metric lists in its spec's
    ``needs`` is guaranteed. A new quantity is one more property here.
    """

    generated: FeatureCache
    reference: FeatureCache
    test_set: FeatureCache
    test: Split
    model: Any
    device: torch.device
    progress: Progress
    classes: tuple[str, ...] = ()
    """Names of the labels 0, 1, 2 ..."""
    training_seconds: float | None = None
    seed: int = 0
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metric: str = ""
    extractor: Extractor | None = None
    count: int = 0
    code: Code | None = None
    """The code of the metric, where it is a plugin's: what it keeps is kept for this code alone."""
    asked: Callable[[], AskedPrompts] | None = None
    """Returns the prompts that models of texts are asked, where there are any."""
    _shared: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of_arrays(cls, **quantities: Any) -> Evidence:
        """Return evidence of these quantities alone, e.g. ``real_features``, to try a metric on arrays of one's own."""
        evidence = cls.__new__(cls)
        defaults = {"parameters": {}, "cached_per_reference": lambda name, compute: compute(), "_shared": {}}
        evidence.__dict__.update({**defaults, **quantities})
        return evidence

    def of(self, metric: str, extractor: Extractor | None, count: int) -> Evidence:
        """Return the evidence for one metric; what is computed is shared with this object."""
        return dataclasses.replace(self, metric=metric, extractor=extractor, count=count)

    @functools.cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The metric's parameters: those of its spec, as the protocol changes them."""
        return self.metrics.get(self.metric, {})

    def parameters_of(self, metric: str) -> Mapping[str, Any] | None:
        """Return the parameters of another metric, or None if it is not measured."""
        return self.metrics.get(metric)

    @functools.cached_property
    def samples(self) -> Samples:
        """How the samples are drawn: ``count``, ``chunk``, ``seed``."""
        return self.generated.samples

    @functools.cached_property
    def real_features(self) -> Features:
        """Features of the reference images, [n, d]."""
        return self.reference.features(self._extractor.name)

    @functools.cached_property
    def generated_features(self) -> Features:
        """Features of the samples, [m, d]."""
        return self._subset(self.generated.features(self._extractor.name))

    @functools.cached_property
    def generated_logits(self) -> Features | None:
        """Class logits of the samples, [m, k], or None if the extractor has none."""
        logits = self.generated.logits(self._extractor.name)
        return None if logits is None else self._subset(logits)

    @functools.cached_property
    def logit_classes(self) -> tuple[str, ...]:
        """Names of the classes of the logits; empty if they are not classes of the data set."""
        return self._extractor.classes

    @functools.cached_property
    def real_labels(self) -> NDArray[np.int64] | None:
        """Labels of the reference images, [n]."""
        return self.reference.labels()

    @functools.cached_property
    def generated_labels(self) -> NDArray[np.int64] | None:
        """Labels that the samples are conditioned on, or come with, [m]."""
        labels = self.generated.labels()
        return None if labels is None else np.asarray(self._subset(labels))

    @functools.cached_property
    def generated_prompts(self) -> list[str] | None:
        """The texts that the samples were drawn for, [m], or None."""
        prompts = getattr(self.generated.samples, "prompts", lambda: None)()
        return None if prompts is None else np.asarray(self._subset(np.array(prompts, object))).tolist()

    @functools.cached_property
    def generated_images(self) -> NDArray[np.uint8]:
        """The samples, [m, C, H, W] in 0 .. 255, memory-mapped."""
        return self._subset(self.generated.images())

    @functools.cached_property
    def test_images(self) -> NDArray[np.float32]:
        """Images of the test split, [n, C, H, W] in [0, 1], memory-mapped."""
        return self._once("test", lambda: self._mapped("test", lambda images: images))

    @functools.cached_property
    def reconstructions(self) -> NDArray[np.float32]:
        """The model's reconstructions of ``test_images``, of the same shape and range."""
        return self._once("reconstructions", lambda: self._mapped("reconstructions", self.reconstruct))

    @functools.cached_property
    def test_features(self) -> Features:
        """Features of the test images, [n, d]."""
        return self.test_set.features(self._extractor.name)

    @functools.cached_property
    def reconstruction_features(self) -> Features:
        """Features of the reconstructions, [n, d]."""
        return self._once(f"features of reconstructions {self._extractor.name}", self._extract_reconstructions)

    @functools.cached_property
    def kl(self) -> NDArray[np.float64]:
        """Divergence of each test image's posterior from the prior, [n], in nats."""
        return self._once("kl", lambda: self._over_test("kl", lambda images, index: self._ask("kl", images)))

    @functools.cached_property
    def posterior_means(self) -> NDArray[np.float64]:
        """Mean of each test image's posterior, [n, ...latent]."""
        return self._once(
            "posterior",
            lambda: self._over_test("posterior", lambda images, index: self._ask("posterior", images).mean),
        )

    @property
    def asked_prompts(self) -> AskedPrompts:
        """The prompts that models of texts are asked, and their judge; raises Unmeasurable if there are none."""
        if self.asked is None:
            raise Unmeasurable("the images were not drawn for prompts")
        return self.asked()

    def drawn_for(self, prompts: Sequence[str]) -> NDArray[np.uint8]:
        """Return an image for each prompt, [n, C, H, W] in 0 .. 255; the same for all metrics that ask for these."""
        return self._once(("drawn for", tuple(prompts)), lambda: self._draw_for(prompts))

    def log_likelihood(self, importance_samples: int) -> NDArray[np.float64]:
        """Return a lower bound on the log-likelihood of each test image, [n], in nats."""

        def bound(images: Tensor, index: int) -> Tensor:
            import torch

            generator = torch.Generator(self.device).manual_seed(derive(self.seed, "likelihood", index))
            options = {"generator": generator, "importance_samples": importance_samples}
            bounds: Tensor = self._ask("log_likelihood", images, **options)
            return bounds

        what = "likelihood" if importance_samples == 1 else f"likelihood, K = {importance_samples}"
        return self._once(what, lambda: self._over_test(what, bound))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the model's reconstructions; raises PluginError for anything but images of that shape in [0, 1]."""
        from genkit.models.images import reconstructed

        return reconstructed(self.model, images)

    def cached_per_reference(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return arrays that depend on ``real_features`` alone, computed once per reference and kept in the cache.

        Those of a plugin's metric are kept under its code, as its next version may compute others.
        """
        if self.code is not None and not self.code.readable:
            return self._once(("per reference", self.code, self._extractor.name, name), compute)
        own = name if self.code is None else f"{name}-{self.code.key}"
        return self.reference.cached_arrays(self._extractor.name, own, compute)

    def cached(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what several metrics compute from the same features and number of samples, once per evaluation."""
        return self._once((self.extractor and self.extractor.name, self.count, name), compute)

    def close(self, *, finished: bool = True) -> None:
        """Remove temporary files; an unfinished evaluation leaves its features in the cache, to be resumed from."""
        if "folder" in self._shared:
            self._shared["folder"].cleanup()
        self.generated.close(remove=finished)

    @property
    def _extractor(self) -> Extractor:
        if self.extractor is None:
            raise PluginError(f"metric {self.metric!r} uses features: name features or logits in its spec's needs")
        return self.extractor

    def _once(self, key: Any, compute: Callable[[], V]) -> V:
        if key not in self._shared:
            self._shared[key] = compute()
        value: V = self._shared[key]
        return value

    def _subset(self, rows: NDArray[T]) -> NDArray[T]:
        """Return the rows of ``count`` of the samples."""
        return rows if self.count == len(rows) else rows[self.samples.subset(self.count)]

    def _ask(self, capability: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the model without gradients, in eval mode."""
        import torch

        model: GenerativeModel = self.model
        model.eval()
        with torch.no_grad():
            return getattr(model, capability)(*arguments, **options)

    def _over_test(self, what: str, function: Callable[[Tensor, int], Tensor]) -> NDArray[np.float64]:
        import torch

        rows, done = [], 0
        for index, images in enumerate(self.test.chunks(TEST_CHUNK)):
            torch.manual_seed(derive(self.seed, what, index))
            with torch.no_grad():
                found = function(images.to(self.device), index)
            if found.ndim < 1 or len(found) != len(images) or (found.ndim > 1 and what != "posterior"):
                raise PluginError(
                    f"{what} of {type(self.model).__name__} has shape {list(found.shape)} for {len(images)} images: a "
                    "model returns one number for each, or one mean of a posterior"
                )
            rows.append(found.double().cpu().numpy())
            done += len(images)
            self.progress(what, done, len(self.test))
        return np.concatenate(rows)

    def _draw_for(self, prompts: Sequence[str]) -> NDArray[np.uint8]:
        import torch

        from genkit.data.images import quantize
        from genkit.models.images import drawn

        images, chunk = [], self.samples.chunk
        for index, start in enumerate(range(0, len(prompts), chunk)):
            texts = list(prompts[start : start + chunk])
            generator = torch.Generator(self.device).manual_seed(derive(self.seed, "prompted", index))
            torch.manual_seed(derive(self.seed, "prompted-global", index))
            condition = self._ask("understand", texts)
            drawn_now = drawn(self.model, len(texts), generator=generator, condition=condition)
            images.append(quantize(drawn_now).cpu().numpy())
            self.progress("images of prompts", start + len(texts), len(prompts))
        return np.concatenate(images)

    def _mapped(self, name: str, transform: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        """Return ``transform`` of the test images as a memory-mapped array, which lasts until ``close``."""
        import torch

        folder = self._once("folder", Scratch)
        shape = (len(self.test), *self.test.pixels.shape[1:])
        mapped = np.lib.format.open_memmap(folder.path / f"{name}.npy", mode="w+", dtype=np.float32, shape=shape)
        done = 0
        for images in self.test.chunks(TEST_CHUNK):
            torch.manual_seed(derive(self.seed, name, done))
            mapped[done : done + len(images)] = transform(images.to(self.device)).float().cpu().numpy()
            done += len(images)
            self.progress(name, done, len(self.test))
        return mapped

    def _extract_reconstructions(self) -> Features:
        import torch

        from genkit.data.images import quantize

        features, images = [], self.reconstructions
        for start in range(0, len(images), TEST_CHUNK):
            chunk = torch.from_numpy(np.array(images[start : start + TEST_CHUNK]))
            features.append(np.asarray(self._extractor(quantize(chunk)).features))
            self.progress("features of reconstructions", min(len(images), start + TEST_CHUNK), len(images))
        return np.concatenate(features)
