"""Harness throughput against a plain loop: same networks, optimisers, EMA and in-memory data. Goal: at least 0.97.

uv run python benchmarks/speed/training.py --data-root ../shared/data
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from paired import machine, paired
from torch.nn.functional import softplus

import genkit
from genkit.data import ImageDataset
from genkit.ema import RAMP
from genkit.loop import Settings
from genkit.runs import make_model
from genkit.training import preset


def harness(model: str, data: ImageDataset, images: int) -> float:
    """Images per second of genkit.train, between its first event and its last log line; no sample grids, as a plain loop draws none."""
    seen: list[tuple[int, float]] = []

    def note(event: dict) -> None:
        if event["kind"] in ("start", "log"):
            seen.append((event["images"], time.perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        genkit.train(
            model, data, images=images, root=folder, device="cpu", settings=Settings(previews=0), on_event=note
        )
    return (seen[-1][0] - seen[0][0]) / (seen[-1][1] - seen[0][1])


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


def plain(name: str, data: ImageDataset, images: int) -> float:
    """Images per second of a plain torch loop over the same networks."""
    chosen = preset(name, data.name)
    torch.manual_seed(0)
    model = make_model(name, dict(chosen.options), data.info()).train()
    pixels = torch.from_numpy(data.train.pixels[:].copy())
    order = torch.randperm(len(pixels))
    batch, seen = chosen.batch, 0
    step = dcgan_step(model) if name == "dcgan" else vae_step(model)
    began = time.perf_counter()
    while seen < images:
        start = seen % (len(pixels) - batch)
        step(pixels[order[start : start + batch]].float().div_(255), seen + batch)
        seen += batch
    return seen / (time.perf_counter() - began)


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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    arguments = parser.parse_args()
    data = genkit.open_dataset("mnist", data_root=arguments.data_root)
    print(machine())
    for name in ("vae", "dcgan"):
        plain(name, data, 2_000)
        images = max(2_000, int(plain(name, data, 6_000) * arguments.seconds))
        paired(
            name,
            lambda name=name, images=images: harness(name, data, images),
            lambda name=name, images=images: plain(name, data, images),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()
