"""Wrong models of levels, classes and options of drawing: each fails the check meant for it, with its reason.

Tests completion, conditions, drawing, guidance, probabilities and sampling of genkit.conformance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from genkit.conformance import CHECKS, check
from genkit.conformance.report import CheckFailed, CheckSkipped
from genkit.conformance.under_test import ModelUnderTest, blobs
from genkit.errors import GenkitError
from genkit.models import Batch, DataInfo, GenerativeModel, Phase, Step

DATA = blobs((1, 6, 6), 5, 3)


@dataclass
class Drawing:
    guidance: float = 1.0
    temperature: float = 1.0


class Pixels(GenerativeModel):
    """p(x | c) = prod_t p(x_t | x_<t, c): logits are linear in the levels of the pixels before, and in the class."""

    Sampling = Drawing
    ema = ("weights", "labels")
    conditional = True
    exact_likelihood = True
    dropped = 0.1
    rate = 0.03

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.pixels, self.levels, self.classes = math.prod(data.shape), data.levels, data.num_classes
        self.observation = f"discretized-{data.levels}"
        size = self.pixels * self.levels
        self.weights = nn.Linear(size, size)
        self.labels = nn.Embedding(self.classes + 1, size)
        after = torch.ones(self.pixels, self.pixels).tril(self.diagonal)
        self.register_buffer("mask", after.repeat_interleave(self.levels, 0).repeat_interleave(self.levels, 1))

    diagonal = -1

    def phases(self) -> list[Phase]:
        return [Phase("levels", self, torch.optim.Adam(self.parameters(), self.rate))]

    def tokens(self, images: Tensor) -> Tensor:
        return (images.flatten(1) * (self.levels - 1)).round().long()

    def images(self, tokens: Tensor) -> Tensor:
        return (tokens.float() / (self.levels - 1)).view(-1, *self.data.shape)

    def logits_of(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits [N, pixels, levels] of every pixel."""
        seen = one_hot(tokens, self.levels).float().flatten(1)
        found = nn.functional.linear(seen, self.weights.weight * self.mask, self.weights.bias) + self.labels(labels)
        return found.view(-1, self.pixels, self.levels)

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        anyone = torch.full((len(batch),), self.classes)
        labels = anyone if batch.labels is None else batch.labels
        labels = torch.where(torch.rand(len(batch), generator=step.generator) < self.dropped, anyone, labels)
        tokens = self.tokens(batch.images)
        return cross_entropy(self.logits_of(tokens, labels).flatten(0, 1), tokens.flatten())

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        each = [self.log_joint(images, label) for label in range(self.classes or 1)]
        return torch.logsumexp(torch.stack(each), 0)

    def log_joint(self, images: Tensor, label: int) -> Tensor:
        """Return log p(label) + log p(image | label) [N]."""
        tokens = self.tokens(images)
        logits = self.logits_of(tokens, torch.full((len(images),), label))
        found = -cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape).sum(1)
        return found + (math.log(self.data.class_frequencies[label]) if self.classes else 0.0)

    def guided(self, asked: Tensor, anyway: Tensor) -> Tensor:
        return anyway + self.sampling.guidance * (asked - anyway)

    def chosen(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the labels to draw."""
        if not self.classes:
            return torch.zeros(n, dtype=torch.int64)
        return torch.randint(self.classes, (n,), generator=generator) if condition is None else condition

    def pick(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        probability = (logits / self.sampling.temperature).softmax(-1)
        return (probability / torch.empty_like(probability).exponential_(generator=generator)).argmax(-1)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw with a running sum of what the pixels so far contribute."""
        labels = self.chosen(n, condition, generator)
        tokens = torch.zeros(n, self.pixels, dtype=torch.int64)
        base = torch.full_like(labels, self.classes)
        so_far = torch.zeros(n, self.pixels * self.levels) + self.weights.bias
        weight = (self.weights.weight * self.mask).T.view(self.pixels, self.levels, -1)
        for place in range(self.pixels):
            both = (so_far + self.labels(each) for each in (labels, base))
            logits = self.guided(*(each.view(n, self.pixels, -1)[:, place] for each in both))
            tokens[:, place] = self.pick(logits, generator)
            so_far = so_far + weight[self.cached(place), tokens[:, place]]
        return self.images(tokens)

    def cached(self, place: int) -> int:
        return place

    @torch.no_grad()
    def sample_uncached(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        labels = self.chosen(n, condition, generator)
        empty = torch.zeros(n, self.pixels, dtype=torch.int64)
        return self.images(self.fill(empty, torch.zeros_like(empty, dtype=torch.bool), labels, generator))

    def fill(self, tokens: Tensor, known: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return tokens in which those that are not known are drawn, one after another."""
        tokens = torch.where(known, tokens, 0)
        for place in range(self.pixels):
            logits = self.guided(*(self.logits_of(tokens, a)[:, place] for a in (labels, labels * 0 + self.classes)))
            tokens[:, place] = torch.where(known[:, place], tokens[:, place], self.pick(logits, generator))
        return tokens

    @torch.no_grad()
    def complete(
        self, images: Tensor, known: Tensor, *, generator: torch.Generator, condition: Tensor | None = None
    ) -> Tensor:
        labels = self.chosen(len(images), condition, generator)
        kept = known.expand_as(images).flatten(1)
        return torch.where(known, images, self.images(self.fill(self.tokens(images), kept, labels, generator)))


class SeesItsTarget(Pixels):
    diagonal = 0


class ForgetsPriorOfLabels(Pixels):
    def log_joint(self, images: Tensor, label: int) -> Tensor:
        return super().log_joint(images, label) - math.log(self.data.class_frequencies[label])


class ForgetsToDivideByK(Pixels):
    exact_likelihood = False

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        found = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return found + math.log(importance_samples)


class DensityAsProbability(Pixels):
    exact_likelihood = False

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        return torch.distributions.Normal(0.5, 0.3).log_prob(images).flatten(1).sum(1) + self.weights.bias.sum() * 0


class ForgetsTheScaleOfLevels(Pixels):
    """A density of levels divided by their number: the change of variables is missing."""

    exact_likelihood = False

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        found = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return found + self.pixels * math.log(self.levels)


class Bits(Pixels):
    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        found = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return found / math.log(2)


class IgnoredTemperature(Pixels):
    def pick(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        probability = logits.softmax(-1)
        return (probability / torch.empty_like(probability).exponential_(generator=generator)).argmax(-1)


class TemperatureInTheLoss(Pixels):
    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return super().loss(phase, batch, step) / self.sampling.temperature


class GuidedLikelihood(Pixels):
    def log_joint(self, images: Tensor, label: int) -> Tensor:
        return super().log_joint(images, label) * self.sampling.guidance


class TemperatureMovesWeights(Pixels):
    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        self.labels.weight.div_(self.sampling.temperature)
        return super().sample(n, generator=generator, condition=condition)


class RemembersItsFirstOptions(Pixels):
    """Draws otherwise with options that were set, even to the defaults."""

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.first = [self.sampling]

    def pick(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        return super().pick(logits if any(self.sampling is own for own in self.first) else 2 * logits, generator)


class NameInBoth(Pixels):
    Options = Drawing


class OtherDefault(Pixels):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.sampling = Drawing(guidance=2.0)


@dataclass
class WithoutDefault:
    guidance: float


class NoDefault(Pixels):
    Sampling = WithoutDefault

    def __init__(self, options: Any, data: DataInfo) -> None:
        self.Sampling = lambda: Drawing()  # type: ignore[assignment, misc]
        super().__init__(options, data)


class GuidedTwice(Pixels):
    def guided(self, asked: Tensor, anyway: Tensor) -> Tensor:
        return super().guided(super().guided(asked, anyway), anyway)


class GuidedByOneMore(Pixels):
    """The other convention: 0 is plainly conditional."""

    def guided(self, asked: Tensor, anyway: Tensor) -> Tensor:
        return asked + self.sampling.guidance * (asked - anyway)


class GuidedFromOne(Pixels):
    """Values below 1 are taken for 1, but for 0."""

    def guided(self, asked: Tensor, anyway: Tensor) -> Tensor:
        return anyway + (self.sampling.guidance and max(1.0, self.sampling.guidance)) * (asked - anyway)


class ScoresGuidedTwice(Pixels):
    """Draws real numbers in steps, as a diffusion model does."""

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        noise = torch.randn(n, self.pixels, self.levels, generator=generator)
        labels = self.chosen(n, condition, generator)
        both = (self.labels(each).view_as(noise) for each in (labels, torch.full_like(labels, self.classes)))
        scores = self.guided(*both) + noise
        return (scores.softmax(-1) @ torch.linspace(0, 1, self.levels)).view(n, *self.data.shape)

    def guided(self, asked: Tensor, anyway: Tensor) -> Tensor:
        return super().guided(super().guided(asked, anyway), anyway)


class AnyClassUntrained(Pixels):
    dropped = 0.0


class ConditionIgnored(Pixels):
    def chosen(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        return super().chosen(n, None, generator)


class ClassOffByOne(Pixels):
    def chosen(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        return (super().chosen(n, condition, generator) + 1) % self.classes


class AlwaysClassZero(Pixels):
    def chosen(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        return torch.zeros(n, dtype=torch.int64) if condition is None else condition


class OneImageWithoutCondition(Pixels):
    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        images = super().sample(n, generator=generator, condition=condition)
        return images if condition is not None else images[:1].expand_as(images).contiguous()


class LearnsNothing(Pixels):
    rate = 1e-6


class CacheOffByOne(Pixels):
    def cached(self, place: int) -> int:
        return max(0, place - 1)


class RepaintsKnownPixels(Pixels):
    def complete(self, images: Tensor, known: Tensor, **given: Any) -> Tensor:
        return (super().complete(images, known, **given) * 0.9).clamp(0, 1)


class SeesHiddenPixels(Pixels):
    def fill(self, tokens: Tensor, known: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.where(known.all(0) | (tokens > 2), tokens, super().fill(tokens, known, labels, generator))


class FillsByGlobalChance(Pixels):
    def complete(self, images: Tensor, known: Tensor, *, generator: torch.Generator, **given: Any) -> Tensor:
        own = torch.Generator().manual_seed(int(torch.randint(1 << 30, ())))
        return super().complete(images, known, generator=own, **given)


class FillsAlike(Pixels):
    def complete(self, images: Tensor, known: Tensor, *, generator: torch.Generator, **given: Any) -> Tensor:
        return super().complete(images, known, generator=torch.Generator().manual_seed(0), **given)


class FillsOutOfRange(Pixels):
    def complete(self, images: Tensor, known: Tensor, **given: Any) -> Tensor:
        return torch.where(known, images, 2 * super().complete(images, known, **given) - 1)


CASES = [
    (SeesItsTarget, "likelihood-sum", "more than 1"),
    (ForgetsPriorOfLabels, "likelihood-sum", "adds up to 3 over all images of 2x2 pixels and 3 levels"),
    (
        ForgetsToDivideByK,
        "likelihood-sum",
        "adds up to 8 over all images of 2x2 pixels and 3 levels, with 8 importance",
    ),
    (DensityAsProbability, "likelihood-sum", "more than 1"),
    (ForgetsTheScaleOfLevels, "likelihood-sum", "adds up to 81"),
    (Bits, "likelihood-sum", "not to 1: exact_likelihood says"),
    (IgnoredTemperature, "sampling", "option temperature moves no sample, at 2.0"),
    (TemperatureInTheLoss, "sampling", "option temperature changes the loss of phase 'levels'"),
    (GuidedLikelihood, "sampling", "option guidance changes log_likelihood"),
    (TemperatureMovesWeights, "sampling", "option temperature changes labels.weight"),
    (RemembersItsFirstOptions, "sampling", "at their defaults move samples"),
    (NameInBoth, "sampling-options", "has guidance, temperature both in Options and in Sampling"),
    (OtherDefault, "sampling-options", "a new model draws with Drawing(guidance=2.0"),
    (NoDefault, "sampling-options", "option guidance has no default"),
    (GuidedTwice, "guidance", "near guidance 0 a quarter of the guidance moves samples"),
    (ScoresGuidedTwice, "guidance", "near guidance 0 a quarter of the guidance moves samples 0.06"),
    (GuidedByOneMore, "guidance", "at guidance 0 samples still depend on their class"),
    (GuidedFromOne, "guidance", "guidance 0.5 draws as 1"),
    (AnyClassUntrained, "guidance-any-class", "guidance 0 draws with labels.weight, row 3"),
    (ConditionIgnored, "condition", "sample ignores its condition"),
    (OneImageWithoutCondition, "condition", "without a condition all samples are the same image"),
    (ClassOffByOne, "class-seen", "show the one 1 after it"),
    (AlwaysClassZero, "class-seen", "of the samples show one class"),
    (CacheOffByOne, "sample-uncached", "the cache is wrong"),
    (RepaintsKnownPixels, "complete", "changes known pixels"),
    (SeesHiddenPixels, "complete", "depends on the pixels that are not known"),
    (FillsByGlobalChance, "complete", "global random state"),
    (FillsAlike, "complete", "same images for another generator"),
    (FillsOutOfRange, "complete", "outside [0, 1]"),
]


def reason(model: type[GenerativeModel], name: str) -> str:
    """Return why a check of a model, without those that it needs, fails."""
    with pytest.raises((CheckFailed, GenkitError)) as failed:
        torch.manual_seed(0)
        CHECKS[name].function(ModelUnderTest(model.__name__, model, dataset=DATA))
    return str(failed.value)


@pytest.mark.slow
def test_the_right_model_that_the_wrong_ones_grow_from_passes_them_all() -> None:
    report = check(Pixels, dataset=DATA)
    assert report.named("failed") == []
    assert {name for _, name, _ in CASES} <= set(report.named("passed"))


@pytest.mark.parametrize(("model", "caught_by", "words"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_wrong_model_is_caught(model: type[GenerativeModel], caught_by: str, words: str) -> None:
    assert words in reason(model, caught_by)


def test_a_class_that_is_not_learnt_is_unverified_and_no_failure() -> None:
    with pytest.raises(CheckSkipped, match="unverified: after 300 steps its samples do not show their class yet"):
        CHECKS["class-seen"].function(ModelUnderTest("slow", LearnsNothing, dataset=DATA))


class Clipped(Pixels):
    """Like a barely trained model whose pixels all clip to black."""

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return (super().sample(n, generator=generator, condition=condition) - 5).clamp(0, 1)


@pytest.mark.parametrize("name", ["sample-seeded", "sample-classes", "condition", "sampling", "guidance"])
def test_samples_that_all_clip_to_black_are_no_failure(name: str) -> None:
    with pytest.raises(CheckSkipped, match="unverified: all its samples are black and white alike"):
        CHECKS[name].function(ModelUnderTest("black", Clipped, dataset=DATA))
