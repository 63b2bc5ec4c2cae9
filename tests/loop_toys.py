"""Tiny models that use every corner of the contract."""

from __future__ import annotations

import torch
from torch import nn

from genkit.model import DataInfo, GenerativeModel, Phase

INFO = DataInfo((1, 8, 8), 17, 10, (0.1,) * 10, 1437)


class ToyGAN(GenerativeModel):
    """Batch norm, dropout, extra critic turns, a lazy phase that shares its optimiser, a schedule, channels_last."""

    ema = ("generator",)
    ema_half_life = 500

    def __init__(self, options=None, data=INFO):
        super().__init__(options, data)
        self.generator = nn.Sequential(
            nn.Linear(4, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(64, 64),
            nn.Unflatten(1, (1, 8, 8)),
        )
        self.critic = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 1))
        self.critic.to(memory_format=torch.channels_last)
        self.turns: list[tuple[str, int]] = []

    def phases(self):
        critic = torch.optim.Adam(self.critic.parameters(), 1e-3, betas=(0.5, 0.9), fused=True)
        generator = torch.optim.Adam(self.generator.parameters(), 1e-3, fused=True)
        return [
            Phase("critic", self.critic, critic, repeats=2),
            Phase("penalty", self.critic, critic, every=4),
            Phase("generator", self.generator, generator, schedule=lambda seen: 1 / (1 + seen / 1000)),
        ]

    def loss(self, phase, batch, step):
        self.turns.append((phase, step.index))
        noise = torch.randn(len(batch), 4, generator=step.generator)
        if phase == "penalty":
            return sum(p.square().sum() for p in self.critic.parameters()) * 1e-3
        generated = self.generator(noise)
        if phase == "critic":
            return self.critic(generated.detach()).mean() - self.critic(batch.images).mean()
        step.log(spread=generated.std())
        return -self.critic(generated).mean()

    def sample(self, n, *, generator, condition=None):
        return self.generator(torch.randn(n, 4, generator=generator)).sigmoid()


class TwoStages(GenerativeModel):
    """Stage 0 fits a mean, stage 1 an offset on top of what was prepared between them."""

    stages = 2

    def __init__(self, options=None, data=INFO):
        super().__init__(options, data)
        self.first = nn.Linear(1, 64)
        self.second = nn.Linear(1, 64)
        self.register_buffer("prepared", torch.zeros(2))

    def phases(self):
        return [
            Phase("first", self.first, torch.optim.Adam(self.first.parameters(), 1e-2)),
            Phase("second", self.second, torch.optim.Adam(self.second.parameters(), 1e-2), stage=1),
        ]

    def prepare_stage(self, stage, train_data, step):
        self.prepared[stage] += torch.rand((), generator=step.generator)

    def loss(self, phase, batch, step):
        one = torch.ones(len(batch), 1)
        output = self.first(one) if phase == "first" else self.first(one).detach() + self.second(one)
        return (output - batch.images.flatten(1)).square().mean()

    def sample(self, n, *, generator, condition=None):
        return torch.rand(n, 1, 8, 8, generator=generator)


class Exploding(ToyGAN):
    """Its loss is not a number from step 20 on."""

    def loss(self, phase, batch, step):
        loss = super().loss(phase, batch, step)
        return loss * float("nan") if phase == "generator" and step.index >= 20 else loss
