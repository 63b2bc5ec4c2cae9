"""Tiny models that use every feature of the training loop, and one that fails on request."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from genkit.models import GenerativeModel, Phase, Preset
from genkit.registry.discovery import Plugin
from genkit.registry.specs import ModelSpec


def plugin():
    """The plugin that offers the toys."""
    names = {"toy-gan": "ToyGAN", "toy-stages": "ToyStages", "toy-trouble": "ToyTrouble", "toy-closed": "ToyClosed"}
    return Plugin("toys", "toys", "0", {ModelSpec: [ModelSpec(name, f"toys:{cls}") for name, cls in names.items()]})


class ToyGAN(GenerativeModel):
    """A GAN with batch norm, spectral norm, dropout, two critic steps, a lazy penalty and a schedule.

    The critic and its lazy penalty share one optimiser.
    """

    presets = {"default": Preset(images=512, batch=16)}
    ema = ("generator",)
    ema_half_life = 200

    def __init__(self, options, data):
        super().__init__(options, data)
        c, h, w = data.shape
        self.generator = nn.Sequential(
            nn.Linear(6, 4 * h * w), nn.Unflatten(1, (4, h, w)), nn.BatchNorm2d(4), nn.ReLU(),
            spectral_norm(nn.Conv2d(4, c, 3, padding=1)), nn.Sigmoid(),
        )  # fmt: skip
        self.critic = nn.Sequential(
            nn.Conv2d(c, 6, 3, stride=2), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Flatten(), nn.LazyLinear(1)
        )
        self.critic(torch.zeros(1, *data.shape))
        self.to(memory_format=torch.channels_last)

    def phases(self):
        critic = torch.optim.Adam(self.critic.parameters(), 2e-3, betas=(0.5, 0.9), fused=True)
        generator = torch.optim.Adam(self.generator.parameters(), 2e-3, betas=(0.5, 0.9), fused=True)
        return [
            Phase("critic", self.critic, critic, repeats=2, clip=1.0),
            Phase("penalty", self.critic, critic, every=4),
            Phase("generator", self.generator, generator, schedule=lambda step: 0.5 ** (step.images_seen / 500)),
        ]

    def loss(self, phase, batch, step):
        if phase == "penalty":
            real = batch.images.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.critic(real).sum(), real, create_graph=True)
            return gradient.square().flatten(1).sum(1).mean()
        latent = torch.randn(len(batch), 6, generator=step.generator, device=step.generator.device)
        generated = self.generator(latent)
        if phase == "generator":
            return nn.functional.softplus(-self.critic(generated)).mean()
        step.log(real=self.critic(batch.images).mean())
        loss = nn.functional.softplus(-self.critic(batch.images)) + nn.functional.softplus(
            self.critic(generated.detach())
        )
        return loss.mean()

    def sample(self, n, *, generator, condition=None):
        return self.generator(torch.randn(n, 6, generator=generator, device=generator.device))


class ToyStages(GenerativeModel):
    """Three stages: an autoencoder, the spread of its codes in closed form (with a random draw), a learned shift."""

    stages = 3
    presets = {"default": Preset(images=512, batch=16)}
    ema = ("decoder", "shift")
    ema_half_life = 200

    def __init__(self, options, data):
        super().__init__(options, data)
        size = data.shape[0] * data.shape[1] * data.shape[2]
        self.encoder = nn.Linear(size, 3)
        self.decoder = nn.Linear(3, size)
        self.shift = nn.Module()
        self.shift.bias = nn.Parameter(torch.zeros(3))
        self.shift.register_buffer("spread", torch.zeros(3))
        self.register_buffer("prepared", torch.zeros(3, dtype=torch.int64))

    def phases(self):
        both = nn.ModuleList([self.encoder, self.decoder])
        return [
            Phase("codes", both, torch.optim.AdamW(both.parameters(), 1e-2)),
            Phase("shift", self.shift, torch.optim.SGD(self.shift.parameters(), 1e-1, momentum=0.9), stage=2),
        ]

    def prepare_stage(self, stage, train_data, step):
        self.prepared[stage] += 1
        if stage == 1:
            with torch.no_grad():
                codes = self.encoder(train_data.images(slice(0, 200)).flatten(1))
                self.shift.spread.copy_(codes.std(0) + 0.01 * torch.rand(3, generator=step.generator))

    def loss(self, phase, batch, step):
        codes = self.encoder(batch.images.flatten(1))
        if phase == "shift":
            return (codes.detach().mean(0) - self.shift.bias).square().sum()
        return (self.decoder(codes) - batch.images.flatten(1)).square().mean()

    def sample(self, n, *, generator, condition=None):
        codes = self.shift.bias + self.shift.spread * torch.randn(n, 3, generator=generator)
        return self.decoder(codes).view(n, *self.data.shape).clamp(0, 1)


class ToyClosed(GenerativeModel):
    """A closed form without phases."""

    def __init__(self, options, data):
        super().__init__(options, data)
        self.register_buffer("mean", torch.zeros(data.shape))

    def prepare_stage(self, stage, train_data, step):
        self.mean.copy_(train_data.images(slice(None)).mean(0))

    def sample(self, n, *, generator, condition=None):
        return self.mean.expand(n, *self.mean.shape)


@dataclass
class Trouble:
    """What goes wrong, and at which step."""

    kind: str = "none"
    at: int = 3


class ToyTrouble(GenerativeModel):
    """A mean image learned by gradient descent, which fails as its options say."""

    Options = Trouble
    presets = {"default": Preset(images=512, batch=16)}
    ema = ("net",)

    def __init__(self, options, data):
        super().__init__(options, data)
        self.net = nn.Module()
        self.net.mean = nn.Parameter(torch.zeros(data.shape))

    def phases(self):
        skip = 10.0 if self.options.kind == "exploding" else None
        optimizer = torch.optim.SGD(self.net.parameters(), 1e-1)
        return [Phase("fit", self.net, optimizer, skip_above=skip, clip=1.0 if self.options.kind == "clip" else None)]

    def loss(self, phase, batch, step):
        loss = (batch.images - self.net.mean).square().mean()
        now = step.index >= self.options.at
        if self.options.kind == "loss" and now:
            return loss * float("nan")
        if self.options.kind == "clip" and now:
            return loss + (self.net.mean * 0).sqrt().sum()
        if self.options.kind == "exploding" and now:
            return loss * 1e9
        if self.options.kind == "log":
            step.log(strange=float("inf") if now else 1.0)
        return loss

    def after_step(self, step):
        if self.options.kind == "weights" and step.index == self.options.at:
            with torch.no_grad():
                self.net.mean[0, 0, 0] = float("nan")

    def sample(self, n, *, generator, condition=None):
        return self.net.mean.detach().expand(n, *self.net.mean.shape)
