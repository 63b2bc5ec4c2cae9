"""Wrong models of stages and averages: each fails the check meant for it, with its reason.

Tests averages, building, stages and state of genkit.conformance.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from genkit.conformance import CHECKS, check
from genkit.conformance.report import CheckFailed
from genkit.conformance.under_test import ModelUnderTest, blobs
from genkit.data.dataset import Split
from genkit.errors import GenkitError
from genkit.models import Batch, DataInfo, GenerativeModel, Phase, Step

DATA = blobs((1, 6, 6), 17, 3)


class Scale(nn.Module):
    """A moving average of the size of codes, a buffer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))

    def update(self, codes: Tensor) -> None:
        self.mean.lerp_(codes.detach().mean(0), 0.1)  # type: ignore[union-attr, operator]


class Stages(GenerativeModel):
    """An autoencoder and the mean of its codes by moving averages; then a Gaussian of the codes."""

    stages = 2
    stage_shares: ClassVar = (1.0, 3.0)
    ema: ClassVar = ("encoder", "decoder", "prior")

    def __init__(self, options: Any, data: DataInfo) -> None:
        super().__init__(options, data)
        pixels = math.prod(data.shape)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
        self.decoder = nn.Sequential(nn.Linear(4, pixels), nn.Sigmoid(), nn.Unflatten(1, data.shape))
        self.prior = nn.Linear(1, 8)
        self.scale = Scale(4)
        self.unused = nn.Linear(2, 2)

    def phases(self) -> list[Phase]:
        both = nn.ModuleList([self.encoder, self.decoder])
        return [Phase("codes", both, torch.optim.Adam(both.parameters(), 1e-2)), self.second()]

    def second(self) -> Phase:
        adam = torch.optim.Adam(self.prior.parameters(), 1e-2)
        return Phase("prior", self.prior, adam, stage=1, schedule=lambda step: 1 - 0.9 * step.stage_progress)

    def enter_stage(self, stage: int, train_data: Split, step: Step) -> None:
        self.first = self.encoder[:2](train_data.images(slice(0, 8))).detach() if stage else None

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        codes = self.encoder(batch.images)
        if phase == "codes":
            return (self.decoder(codes) - batch.images).square().mean() + 0.1 * (
                codes - self.scale.mean
            ).square().mean()
        mean, log_scale = self.prior.bias.chunk(2)
        return (log_scale + 0.5 * ((codes - mean) / log_scale.exp()).square()).mean() + self.first_codes().mean() * 0

    def first_codes(self) -> Tensor:
        assert self.first is not None
        return self.first

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if step.stage == 0:
            self.scale.update(torch.ones(2, 4) * step.index)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        mean, log_scale = self.prior.bias.chunk(2)
        return self.decoder(mean + log_scale.exp() * torch.randn(n, 4, generator=generator))  # type: ignore[no-any-return]


class StillTrainsItsTokenizer(Stages):
    def second(self) -> Phase:
        return Phase("prior", self, torch.optim.Adam(self.parameters(), 1e-2), stage=1)


class MovesItsCodebook(Stages):
    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        self.scale.update(torch.ones(2, 4) * (step.index + 1))


class MovesItsStatistics(Stages):
    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        self.encoder.train()
        return super().loss(phase, batch, step)


class TrainsByHand(Stages):
    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        super().after_step(step)
        if step.stage == 1:
            self.decoder[0].weight.mul_(0.99)  # type: ignore[index, union-attr, operator]


class GoesOnWithTheSameModule(Stages):
    """Names one module in both stages: no accident."""

    def phases(self) -> list[Phase]:
        first, second = super().phases()
        return [first, Phase("codes-again", first.module, first.optimizer, stage=1), second]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        return super().loss(phase.removesuffix("-again"), batch, step)


class KeepsCodesInAnAttribute(Stages):
    first: Tensor | None = None

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        super().enter_stage(stage, train_data, step)

    def enter_stage(self, stage: int, train_data: Split, step: Step) -> None:
        pass

    def first_codes(self) -> Tensor:
        return self.first[:4]  # type: ignore[index]


class MovesStatisticsOnEntry(Stages):
    """Computes codes in training mode on every entry, so that a resume moves batch statistics once more."""

    def enter_stage(self, stage: int, train_data: Split, step: Step) -> None:
        self.encoder.train()
        self.first = self.encoder(train_data.images(slice(0, 8))).detach()


class CountsInTheSecondStage(Stages):
    """Warms up its second stage with a counter that no checkpoint holds."""

    turns = 0

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        self.turns += phase == "prior"
        return super().loss(phase, batch, step) * (1 + self.turns)


class ScheduleOfImages(Stages):
    def second(self) -> Phase:
        adam = torch.optim.Adam(self.prior.parameters(), 1e-2)
        return Phase("prior", self.prior, adam, stage=1, schedule=lambda images: 1 / (1 + images))  # type: ignore[operator]


class ScheduleWithoutEnd(Stages):
    def second(self) -> Phase:
        adam = torch.optim.Adam(self.prior.parameters(), 1e-2)
        return Phase(
            "prior", self.prior, adam, stage=1, schedule=lambda step: -(math.log(max(step.progress, 1e-400)) ** 3)
        )


class OneShareForTwoStages(Stages):
    stage_shares: ClassVar = (1.0,)


class BatchOfNothing(Stages):
    stage_batches: ClassVar = (1.0, 0.0)


class AveragesWhatNothingTrains(Stages):
    ema: ClassVar = ("prior", "unused")


class AveragesWhatNoSampleUses(Stages):
    ema: ClassVar = ("encoder",)


class AverageOfOneImage(Stages):
    ema_half_life: ClassVar = 1


CASES = [
    (StillTrainsItsTokenizer, "finished-stages", "stage 1 changes encoder.1.weight"),
    (MovesItsCodebook, "finished-stages", "stage 1 changes scale.mean"),
    (MovesItsStatistics, "finished-stages", "stage 1 changes encoder.2.running_mean"),
    (TrainsByHand, "finished-stages", "stage 1 changes decoder.0.weight"),
    (KeepsCodesInAnAttribute, "resume", "a run resumed within stage 1 fails (TypeError: 'NoneType' object is not"),
    (MovesStatisticsOnEntry, "resume", "a run resumed within stage 0 differs in"),
    (CountsInTheSecondStage, "resume", "a run resumed within stage 1 differs in"),
    (ScheduleOfImages, "phases", "the schedule of phase 'prior' fails (TypeError"),
    (ScheduleWithoutEnd, "phases", "the schedule of phase 'prior' "),
    (OneShareForTwoStages, "phases", "stage_shares of OneShareForTwoStages is (1.0,)"),
    (BatchOfNothing, "phases", "stage_batches of BatchOfNothing is (1.0, 0.0)"),
    (AveragesWhatNothingTrains, "averages", "ema names 'unused', whose average never moves"),
    (AveragesWhatNoSampleUses, "averages", "ema names encoder, which no sample depends on"),
    (AverageOfOneImage, "averages", "ema_half_life is 1 images, less than a batch of 64"),
]


@pytest.mark.slow
@pytest.mark.parametrize("model", [Stages, GoesOnWithTheSameModule])
def test_right_models_pass_them_all(model: type[GenerativeModel]) -> None:
    report = check(model, dataset=DATA)
    assert report.named("failed") == []
    assert {name for _, name, _ in CASES} <= set(report.named("passed"))


@pytest.mark.parametrize(("model", "caught_by", "words"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_wrong_model_is_caught(model: type[GenerativeModel], caught_by: str, words: str) -> None:
    with pytest.raises((CheckFailed, GenkitError)) as failed:
        CHECKS[caught_by].function(ModelUnderTest(model.__name__, model, dataset=DATA))
    assert words in str(failed.value)
