"""Deliberately wrong models: each fails the check meant for it, and no other.

Tests building, inference, labels, likelihoods, phases, plugins, sampling and state of genkit.conformance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from genkit.conformance import check
from genkit.conformance.under_test import blobs
from genkit.models import GAN, VAE, Batch, DataInfo, GenerativeModel, Phase, Preset, Step
from genkit.models.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian
from genkit.models.losses import Adversarial, logistic_discriminator, non_saturating_generator

DATA = blobs((1, 6, 6), 17, 3)
pytestmark = pytest.mark.slow  # forty models, each through all checks, about a second apiece


class RightGAN(GAN):
    latent = 4
    learning_rate = 1e-3

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        pixels = data.shape[0] * data.shape[1] * data.shape[2]
        self.generator = nn.Sequential(
            nn.Linear(4, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Linear(16, pixels),
            nn.Tanh(),
            nn.Unflatten(1, data.shape),
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 16), nn.LeakyReLU(), nn.Linear(16, 1), nn.Flatten(0)
        )


class RightVAE(VAE):
    latent = 3

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        pixels = data.shape[0] * data.shape[1] * data.shape[2]
        self.likelihood = Gaussian(0.05)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 6))
        self.decoder = nn.Sequential(nn.Linear(3, pixels), nn.Sigmoid(), nn.Unflatten(1, data.shape))


class LeakingGradients(RightGAN):
    """The generator's phase also updates the discriminator."""

    def phases(self) -> list[Phase]:
        return [super().phases()[0], Phase("generator", self, self.optimizer(self))]


class ForeignOptimizer(RightGAN):
    """The generator's optimiser holds the discriminator, though the phase names the generator."""

    def phases(self) -> list[Phase]:
        return [super().phases()[0], Phase("generator", self.generator, self.optimizer(self))]


class SteppingLoss(RightGAN):
    """The discriminator's loss changes the generator itself."""

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        with torch.no_grad():
            self.generator[0].weight.mul_(0.99)  # type: ignore[index, operator, union-attr]
        return super().discriminator_loss(batch, step)


class BackwardInLoss(RightGAN):
    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        super().generator_loss(batch, step).backward()
        return super().generator_loss(batch, step)


class ThawingLoss(RightGAN):
    """The generator's loss switches requires_grad of the discriminator on, as hand-written loops do."""

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        self.discriminator.requires_grad_(True)
        return super().generator_loss(batch, step)


class UntouchedModule(RightGAN):
    """The generator's loss depends on its parameters, but with a factor of zero."""

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        return 0 * super().generator_loss(batch, step)


class VectorLoss(RightVAE):
    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return super().loss(phase, batch, step)[None]


class InfiniteLoss(RightVAE):
    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return super().loss(phase, batch, step) / 0


def generated_as_real(real: Tensor, generated: Tensor) -> Tensor:
    return logistic_discriminator(generated, real)


class SwappedLabels(RightGAN):
    """A discriminator that calls generated images real, and a generator with the same labels."""

    adversarial = Adversarial("swapped", generated_as_real, lambda generated: non_saturating_generator(-generated))


class SwappedGenerator(RightGAN):
    adversarial = Adversarial("half-swapped", logistic_discriminator, lambda f: non_saturating_generator(-f))


class NegatedLogits(RightGAN):
    def logits(self, images: Tensor) -> Tensor:
        return -super().logits(images)


class OutOfRange(RightGAN):
    """Returns samples in the range of tanh."""

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        images: Tensor = self.generator(self.draw_latent(n, generator=generator))
        return images.detach()


class OneTooMany(RightGAN):
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return super().sample(n + 1, generator=generator)


class DoublePrecision(RightGAN):
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return super().sample(n, generator=generator).double()


class GlobalChance(RightGAN):
    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent)


class AlwaysTheSame(RightGAN):
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return super().sample(n, generator=torch.Generator().manual_seed(0))


class RightConditional(RightGAN):
    """Its classes are darker or brighter; where none are asked for, it draws them."""

    conditional = True

    def draw_classes(self, n: int, *, generator: torch.Generator) -> Tensor:
        return torch.randint(self.data.num_classes, (n,), generator=generator)

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        classes = self.draw_classes(n, generator=generator) if condition is None else condition
        return super().sample(n, generator=generator) * (1 + classes[:, None, None, None]) / self.data.num_classes


class NeedsClasses(RightConditional):
    def draw_classes(self, n: int, *, generator: torch.Generator) -> Tensor:
        raise TypeError("which classes?")


class ClassesByChance(RightConditional):
    def draw_classes(self, n: int, *, generator: torch.Generator) -> Tensor:
        return torch.randint(self.data.num_classes, (n,))


class OneClassForAll(RightConditional):
    """Draws a single image where it draws the classes itself."""

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        return super().sample(n if condition is not None else 1, generator=generator, condition=condition)


class MovingStatistics(RightGAN):
    """Samples in train mode, which changes batch normalisation's running statistics."""

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        self.generator.train()
        images = super().sample(max(n, 2), generator=generator)[:n]
        self.generator.eval()
        return images


class LeavesTrainMode(RightGAN):
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        images = super().sample(n, generator=generator)
        self.discriminator.train()
        return images


class PickledState(RightGAN):
    """Keeps a Python object in its state dict: torch would pickle it."""

    def get_extra_state(self) -> Any:
        return {"history": [1, 2]}

    def set_extra_state(self, state: Any) -> None:
        pass


class UnregisteredTensor(RightGAN):
    """Projects latents by a random matrix that is a plain attribute."""

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.projection = torch.randn(4, 4)

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return super().draw_latent(n, generator=generator) @ self.projection


class HiddenCounter(RightVAE):
    """Warms up the loss with a counter that is not in the state dict."""

    turns = 0

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        self.turns += 1
        return super().loss(phase, batch, step) * (1 + self.turns)


class ProcessWideCounter(RightVAE):
    turns: ClassVar[list[int]] = []

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        self.turns.append(1)
        return super().loss(phase, batch, step) * (1 + len(self.turns))


class PythonChance(RightVAE):
    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return super().loss(phase, batch, step) * (1 + random.random())


class BatchReconstruction(RightVAE):
    """Centres the batch, as batch normalisation in train mode does."""

    def reconstruct(self, images: Tensor) -> Tensor:
        return super().reconstruct(images - images.mean(0) + 0.5)


class NoisyReconstruction(RightVAE):
    def reconstruct(self, images: Tensor) -> Tensor:
        mean = self.encode(images)
        return self.decode(mean + torch.randn_like(mean))


class SummedBound(RightVAE):
    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound.sum()


class SpreadSum(RightVAE):
    """Has the right shape, but every image gets the batch's mean."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound.mean().expand(len(images))


class AveragedOverTheBatch(RightVAE):
    """Divides by the size of the batch: right for one image, wrong for more."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound / len(images)


class WholeBatchesOnly(RightVAE):
    """Forgets the last, smaller batch."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound if len(images) % 32 == 0 else torch.zeros_like(bound)


class GlobalLikelihood(RightVAE):
    """Draws its posterior samples from the global random state."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        own = torch.Generator().manual_seed(int(torch.randint(1 << 30, ())))
        return super().log_likelihood(images, generator=own, importance_samples=importance_samples)


class FallingBound(RightVAE):
    """Subtracts log K twice. Its prior is overridden, so that only the order of the bounds shows it."""

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        return super().draw_latent(n, generator=generator)

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound - 3 * torch.tensor(importance_samples).log()


class ForgetfulGaussian(Gaussian):
    """Half a sum of squares, called a log-probability."""

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        return -self.distortion(params, images) / self.variance


class CoarseLogistic(DiscretizedLogistic):
    """Closed outer bins: the tails' probability is lost."""

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        location, log_scale = self._unpack(params)
        half = 0.5 / (self.levels - 1)
        upper, lower = ((images + side - location) / log_scale.exp() for side in (half, -half))
        return (upper.sigmoid() - lower.sigmoid()).clamp(min=1e-12).log().flatten(1).sum(1)


class DoubledBernoulli(Bernoulli):
    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        return super().distortion(2 * params, images) * 0.5


class ForgottenConstant(RightVAE):
    """A likelihood that forgets its constant."""

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.likelihood = ForgetfulGaussian(0.05)


class ClosedBins(RightVAE):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.likelihood = CoarseLogistic(data.levels)
        c, h, w = data.shape
        self.decoder = nn.Sequential(nn.Linear(3, 2 * c * h * w), nn.Unflatten(1, (2 * c, h, w)))


class SoftBernoulli(RightVAE):
    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        self.likelihood = DoubledBernoulli("static")


class ForgottenPriorTerm(RightVAE):
    """A bound that forgets a constant, on a likelihood that does not."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound + 0.5 * self.latent * torch.tensor(2 * torch.pi).log()


class UnaveragedWeights(RightVAE):
    """Forgets the 1/K of the importance-weighted bound: it grows with K and is not a bound."""

    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        bound = super().log_likelihood(images, generator=generator, importance_samples=importance_samples)
        return bound + torch.tensor(importance_samples).log()


@dataclass
class HalfOptions:
    width: int = 0.5  # type: ignore[assignment]


@dataclass
class SetOptions:
    """Its one field changes whenever it is read back from JSON."""

    names: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen = [*self.seen, "once more"]


class InvalidDefault(RightVAE):
    Options = HalfOptions


class ChangingOptions(RightVAE):
    Options = SetOptions


class NotADataclass(RightVAE):
    Options = dict


class StalePreset(RightVAE):
    presets: ClassVar = {"default": Preset(images=10), "digits": Preset(images=10, options={"depth": 3})}


class MisnamedAverage(RightGAN):
    ema = ("generater",)


class TwinPhases(RightGAN):
    def phases(self) -> list[Phase]:
        return [Phase("same", phase.module, phase.optimizer) for phase in super().phases()]


CASES: list[tuple[type[GenerativeModel], str, str]] = [
    (LeakingGradients, "phase-modules", "phases 'discriminator' and 'generator' both update discriminator"),
    (ForeignOptimizer, "phase-modules", "the optimiser of phase 'generator' holds discriminator"),
    (SteppingLoss, "phase-updates", "the loss of phase 'discriminator' changes generator.0.weight itself"),
    (BackwardInLoss, "phase-updates", "calls backward itself"),
    (ThawingLoss, "phase-updates", "switches requires_grad of discriminator"),
    (UntouchedModule, "phase-updates", "no gradient of phase 'generator' reaches"),
    (VectorLoss, "loss", "has shape [1]"),
    (InfiniteLoss, "loss", "is inf"),
    (SwappedLabels, "discriminator-labels", "labels are swapped"),
    (SwappedGenerator, "generator-labels", "generator's labels are swapped"),
    (NegatedLogits, "discriminator-labels", "not higher for real"),
    (OutOfRange, "sample-images", "outside [0, 1]"),
    (OneTooMany, "sample-images", "shape [2, 1, 6, 6], not [1, 1, 6, 6]"),
    (DoublePrecision, "sample-images", "torch.float64"),
    (GlobalChance, "sample-seeded", "global random state"),
    (NeedsClasses, "sample-classes", "which classes?): with condition=None it draws them"),
    (ClassesByChance, "sample-classes", "draws from the global random state"),
    (OneClassForAll, "sample-classes", "sample with condition=None returns shape [1, 1, 6, 6], not [16"),
    (AlwaysTheSame, "sample-seeded", "same images for another generator"),
    (MovingStatistics, "sample-state", "running_mean"),
    (LeavesTrainMode, "sample-state", "out of eval mode"),
    (PickledState, "checkpoint", "a checkpoint holds tensors only"),
    (UnregisteredTensor, "checkpoint", "neither parameter nor buffer"),
    (HiddenCounter, "resume", "a run resumed"),
    (ProcessWideCounter, "training-repeats", "two runs with the same seed differ"),
    (PythonChance, "training-repeats", "draw from step.generator"),
    (BatchReconstruction, "reconstruct", "other images of the batch"),
    (NoisyReconstruction, "reconstruct", "depends on"),
    (SummedBound, "log-likelihood", "returns shape []"),
    (SpreadSum, "log-likelihood", "other images of the batch"),
    (AveragedOverTheBatch, "log-likelihood-batches", "depend on the size of its batch"),
    (WholeBatchesOnly, "log-likelihood-batches", "batches of 1 is"),
    (GlobalLikelihood, "log-likelihood", "depends on the global random state"),
    (FallingBound, "log-likelihood-bound", "below the ELBO"),
    (ForgottenConstant, "likelihood-normalised", "of one pixel adds up to"),
    (ClosedBins, "likelihood-normalised", "of one pixel adds up to"),
    (SoftBernoulli, "likelihood-normalised", "of one pixel adds up to"),
    (ForgottenPriorTerm, "bound-recomputed", "with 1 importance samples is +2"),
    (UnaveragedWeights, "bound-recomputed", "with 8 importance samples is +2"),
    (InvalidDefault, "options", "width"),
    (ChangingOptions, "options", "change when stored as JSON"),
    (NotADataclass, "options", "not a dataclass"),
    (StalePreset, "presets", "no option 'depth'"),
    (MisnamedAverage, "phases", "'generater'"),
    (TwinPhases, "phases", "two phases have the same name: same, same"),
]


ALSO = {OneTooMany: "training-repeats", DoublePrecision: "training-repeats"}
"""A second check that fails, of models whose training ends at its first grid of samples."""


def ids(cases: Sequence[tuple[type[GenerativeModel], str, str]]) -> list[str]:
    return [case[0].__name__ for case in cases]


@pytest.mark.parametrize("model", [RightGAN, RightVAE, RightConditional])
def test_the_right_models_that_the_wrong_ones_grow_from_pass(model: type[GenerativeModel]) -> None:
    assert check(model, dataset=DATA).named("failed") == []


@pytest.mark.parametrize(("model", "caught_by", "words"), CASES, ids=ids(CASES))
def test_a_wrong_model_is_caught(model: type[GenerativeModel], caught_by: str, words: str) -> None:
    report = check(model, dataset=DATA)
    failed = {result.check: result.reason for result in report.results if result.status == "failed"}
    assert list(failed) == [caught_by, *([ALSO[model]] if model in ALSO else [])], failed
    assert words in failed[caught_by]
