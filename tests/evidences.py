"""A model and an extractor that record their calls, and evidence of them, for tests."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from genkit.evaluation.samples import ModelSamples, SplitImages
from genkit.features.cache import FeatureCache, quiet
from genkit.metrics import Evidence
from genkit.models import DataInfo, GenerativeModel

INFO = DataInfo((1, 8, 8), 17, 2, (0.25, 0.75), 10)
CPU = torch.device("cpu")


class Sampler(GenerativeModel):
    """Uniform images through a batch norm; records the calls of ``sample``."""

    def __init__(self, data: DataInfo = INFO) -> None:
        super().__init__(None, data)
        self.norm = nn.BatchNorm2d(data.shape[0])
        self.sizes: list[int] = []
        self.labels: list[torch.Tensor] = []

    def sample(self, n, *, generator, condition=None):
        self.sizes.append(n)
        if condition is not None:
            self.labels.append(condition)
        return self.norm(torch.rand(n, *self.data.shape, generator=generator)).clamp(0, 1)


def drawn(count, chunk, seed=0, model=None):
    samples = ModelSamples(model or Sampler(), count, chunk, seed, CPU)
    return torch.cat(list(samples.chunks())).numpy()


class Counting:
    """An extractor that counts its images."""

    sha256, has_logits = "0" * 64, True

    def __init__(self, name="counting"):
        self.name = name
        self.count = 0

    def choices(self):
        return {"resize": "none"}

    def __call__(self, images, tick=lambda done: None):
        assert images.dtype == torch.uint8
        for done in range(10, len(images) + 1, 10):
            tick(done)
        self.count += len(images)
        flat = images.reshape(len(images), -1).float()
        return SimpleNamespace(features=flat, logits=flat[:, :3])


def made(digits, model=None, *extractors, samples=None, progress=quiet, images=False, seed=0):
    """Evidence of a model, or of ``samples``, by the first of the extractors."""
    extractors = extractors or (Counting(),)
    model = model or Sampler(digits.info())
    samples = samples or ModelSamples(model, 100, 32, 0, CPU)

    def real(split):
        return FeatureCache(SplitImages(split, len(split), 250), extractors, "reference")

    return Evidence(
        generated=FeatureCache(samples, extractors, "samples", progress, images=images),
        reference=real(digits.train),
        test_set=real(digits.test),
        test=digits.test,
        model=model,
        device=CPU,
        progress=progress,
        seed=seed,
        extractor=extractors[0],
        count=samples.count,
    )
