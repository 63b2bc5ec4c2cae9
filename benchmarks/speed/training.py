"""Harness throughput against a plain loop: same networks, optimisers, EMA and in-memory data. Goal: at least 0.97.

uv run python benchmarks/speed/training.py --data-root ../shared/data
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from paired import machine
from torch.nn.functional import softplus

import genkit
from genkit.data import ImageDataset
from genkit.training.api import find_preset
from genkit.training.ema import RAMP
from genkit.training.runs import make_model
from genkit.training.settings import Settings


def compare(name: str, data: ImageDataset, images: int, segments: int) -> float:
    """Return the median over segments of plain seconds / harness seconds for the same number of images.

    A plain segment runs after every log line of genkit.train, so a machine that slows down slows both. No sample grids,
    as a plain loop draws none.
    """
    plain = Plain(name, data)
    plain.seconds(images)
    ratios: list[float] = []
    place = (0, 0.0)

    def turn(event: dict) -> None:
        nonlocal place
        ours = time.perf_counter() - place[1]
        if event["kind"] == "log" and event["images"] > place[0]:
            ratios.append(plain.seconds(event["images"] - place[0]) / ours)
        if event["kind"] in ("start", "log"):
            place = (event["images"], time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(previews=0, logs=segments)
        genkit.train(name, data, images=images * segments, root=folder, device="cpu", settings=settings, on_event=turn)
    ratios = ratios[1:]  # the first one warms up
    low, median, high = statistics.quantiles(ratios, n=4)
    print(f"{name}: harness / plain loop {median:.3f}, the median of {len(ratios)} (quartiles {low:.3f} to {high:.3f})")
    return median


class Average:
    """The same moving average as a plain loop would keep it: parameters by one foreach call, buffers one by one."""

    def __init__(self, module: torch.nn.Module, half_life: int) -> None:
        self.live = [p.detach() for p in module.parameters()]
        self.shadow = [p.clone() for p in self.live]
        self.buffers = [(b, b.clone()) for b in module.buffers()]
        self.half_life = half_life

    @torch.no_grad()
    def update(self, batch: int, seen: int) -> None:
        weight = 1 - 0.5 ** (batch / max(min(self.half_life, seen * RAMP), 1e-8))
        torch._foreach_lerp_(self.shadow, self.live, weight)
        for live, average in self.buffers:
            if average.is_floating_point():
                average.lerp_(live, weight)
            else:
                average.copy_(live)


class Plain:
    """A plain torch loop over the same networks, run a segment at a time."""

    def __init__(self, name: str, data: ImageDataset) -> None:
        chosen = find_preset(name, data.name)
        torch.manual_seed(0)
        model = make_model(name, dict(chosen.options), data.info()).train()
        self.pixels = torch.from_numpy(data.train.pixels[:].copy())
        self.order = torch.randperm(len(self.pixels))
        self.batch, self.seen = chosen.batch, 0
        self.step = dcgan_step(model) if name == "dcgan" else vae_step(model)

    def seconds(self, images: int) -> float:
        """Train on so many images more; return the seconds that took."""
        began, end = time.perf_counter(), self.seen + images
        while self.seen < end:
            start = self.seen % (len(self.pixels) - self.batch)
            chosen = self.order[start : start + self.batch]
            self.step(self.pixels.index_select(0, chosen).float().div_(255), self.seen + self.batch)
            self.seen += self.batch
        return time.perf_counter() - began


def dcgan_step(model):  # type: ignore[no-untyped-def]
    generator, discriminator = model.generator, model.discriminator
    d_optimizer, g_optimizer = model.optimizer(discriminator), model.optimizer(generator)
    average = Average(generator, model.ema_half_life)

    def step(images: torch.Tensor, seen: int) -> None:
        n = len(images)
        with torch.no_grad():
            generated = generator(torch.randn(n, model.latent))
        loss = softplus(-discriminator(images * 2 - 1)).mean() + softplus(discriminator(generated)).mean()
        d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        d_optimizer.step()
        for parameter in discriminator.parameters():
            parameter.requires_grad_(False)
        loss = softplus(-discriminator(generator(torch.randn(n, model.latent)))).mean()
        g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        g_optimizer.step()
        for parameter in discriminator.parameters():
            parameter.requires_grad_(True)
        average.update(n, seen)

    return step


def vae_step(model):  # type: ignore[no-untyped-def]
    (phase,) = model.phases()
    alpha = model.likelihood.kl_weight

    def step(images: torch.Tensor, seen: int) -> None:
        mean, raw = model.encoder(images).chunk(2, dim=1)
        log_variance = 10 * torch.tanh(raw / 10)
        decoded = model.decoder(mean + (0.5 * log_variance).exp() * torch.randn_like(mean))
        rec = 0.5 * (images - decoded).square().flatten(1).sum(1).mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        phase.optimizer.zero_grad(set_to_none=True)
        (rec + alpha * kl).backward()
        phase.optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--segments", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each segment, about")
    arguments = parser.parse_args()
    data = genkit.open_dataset("mnist", data_root=arguments.data_root)
    print(machine())
    for name in ("vae", "dcgan"):
        plain = Plain(name, data)
        plain.seconds(2_000)
        images = max(plain.batch, int(4_000 / plain.seconds(4_000) * arguments.seconds))
        compare(name, data, images, arguments.segments)


if __name__ == "__main__":
    main()
